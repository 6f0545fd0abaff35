"""What the numbers of results.json mean, where no module of their own says it; imports nothing heavy."""

from hbt_jax.evaluation.benchmarks.judged_alike import RELEVANT_DEFINITION
from hbt_jax.evaluation.measures.bias import (
    ONE_LANGUAGE_MAP_DEFINITION,
    RANK_DISTANCE_DEFINITION,
    SIMILARITY_GAP_DEFINITION,
    STRONG_ALIGNMENT_DEFINITION,
)
from hbt_jax.evaluation.measures.metrics import (
    AP_DEFINITION,
    CAPPED_DEFINITION,
    MRR_DEFINITION,
    NDCG_DEFINITION,
    ONE_LANGUAGE_MAP,
    PLAIN_RECALL_DEFINITION,
    RANK_DISTANCE,
    RECALL_DEFINITION,
    SIMILARITY_GAP,
    STRONG_ALIGNMENT,
)

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
ACCURACY_DEFINITION = (
    "bitext: share of sentences of one language whose translation is the best-scored sentence of the other language;"
    " recall@1 of the cross-lingual setting, by the score itself (no margin)"
)
OF_RANKS = {
    "map": AP_DEFINITION,
    "recall": RECALL_DEFINITION,
    "R_cap@k": CAPPED_DEFINITION,
    "R@k": PLAIN_RECALL_DEFINITION,
    "mrr": MRR_DEFINITION,
    "ndcg@10": NDCG_DEFINITION,
    RANK_DISTANCE: RANK_DISTANCE_DEFINITION,
    STRONG_ALIGNMENT: STRONG_ALIGNMENT_DEFINITION,
    ONE_LANGUAGE_MAP: ONE_LANGUAGE_MAP_DEFINITION,
    SIMILARITY_GAP: SIMILARITY_GAP_DEFINITION,
    "averages": (
        "monolingual, multilingual: mean over query languages of the mean over their queries; cross_lingual: mean over"
        " ordered pairs (query language, candidate language); a query without a relevant candidate in a pool does not"
        " count there, and a text that is a query and a candidate is never a candidate of its own"
    ),
    "relevant": RELEVANT_DEFINITION,
    "ties": TIE_RULE,
}
