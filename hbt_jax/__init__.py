"""hbt_jax trains multilingual dense retrievers with hybrid batches (arXiv 2408.10536).

A plan decides which texts and languages make batch t, tf.data fetches and packs them, the mesh holds them, the step
learns, the evaluator ranks.

Shape letters, used as suffixes of array names and in einsums throughout the package:

    B  global batch: queries (or positive passages) of one step over all devices
    C  passages of one step over all devices: the B positives, then the explicit negatives
    P  shares: one per device of the mesh; every share packs its own texts
    b  queries of one share (B = P * b)
    c  passages of one share (C = P * c)
    R  packed rows of one share
    L  tokens of a row
    S  segments (texts) a row can hold at most
    D  embedding width
    H  attention heads
    F  width of the feed-forward layer
    V  vocabulary
    Q  queries of an evaluation
    N  candidates of an evaluation
    G  most relevant candidates that a query of an evaluation has
    q  queries of one block
    E  states of an encoder: after the embedding layer and after each layer
    I  items of a layer probe
    M  slots of candidates, T tiles of slots, J languages, where an evaluation ranks

"step" counts the updates already applied.  "query" and "passage" are the two sides of training, "candidate" is what
an evaluation ranks.  Languages are BCP-47 codes as the benchmarks write them, scripts are ISO 15924 codes.
"""

__version__ = "0.1.0"
