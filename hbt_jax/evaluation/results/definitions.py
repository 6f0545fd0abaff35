"""What numbers of results.json mean whose own modules import jax: who reads results needs no jax.

The definitions of the others stand beside their computation.
"""

LAYER_PROBE_DEFINITION = (
    "cosines of queries after each layer (0: the embedding layer), each text one vector by the model's pooling of its"
    " tokens, prefix and special tokens included; the queries of an item in two languages are parallel (of several in"
    " one language the first counts); parallel: mean over the items that two languages share; random: mean over all"
    " pairs of two different ones of these items, none left out; gap = parallel - random; of a language: mean over the"
    " languages it shares two or more probed items with; mean: over languages"
)
TOKENS_DEFINITION = (
    "by language, of the texts as given (no prefix, no special tokens): truncated = share of texts with more tokens"
    " than fit; unknown = share of tokens that the vocabulary lacks; per_character = tokens per character (Unicode code"
    " point)"
)
TOP_DEFINITION = (
    "languages of the first 10 candidates in the pool of all, as shares of these 10, beside the shares of all"
    " candidates that the query searches; mean over the queries of a language, then over query languages"
)
TIE_RULE = "equal scores are ordered by candidate id, descending (as trec_eval does)"
