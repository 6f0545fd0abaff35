"""hbt_jax trains multilingual dense retrievers with hybrid batches (arXiv 2408.10536).

A plan decides which texts and languages make batch t, tf.data fetches and packs them, the mesh holds them, the step
learns, the evaluator ranks.

Shape letters, used as suffixes of array names and in einsums.  A room is a folder; a letter means one thing in a room,
and those of `everywhere` mean the same in all.  Digits in a suffix are sizes.

    everywhere
        D  embedding width
        J  languages
        N  texts or rows in the order given; the candidates, where an evaluation ranks
        Q  queries, all of them
        q  queries of one block
    data, training, mesh
        A  rows of a pair table
        B  global batch: queries (or positive passages) of one step over all devices
        C  passages of one step over all devices: the B positives, then the explicit negatives
        G  different pairs of a joint batch
        E  times that each of them stands in it
        K  explicit negatives of a query
        M  passages that a teacher scores for a query: its own, then its explicit negatives
        P  shares: one per device of the mesh; every share packs its own texts
        b  queries of one share (B = P * b)
        c  passages of one share (C = P * c)
        R  packed rows of one share
        L  tokens of a row
        S  segments (texts) a row can hold at most
        W  words of 32 bits, a mask over the columns of a step
        T  columns of one tile of the loss
        Z  tiles
    models
        P  shares, as above
        R  packed rows of one share
        L  tokens of a row
        S  segments (texts) a row can hold at most
        K  keys drawn from the key of a row
        H  attention heads
        d  numbers of a head
        h  half of them
        F  width of the feed-forward layer
        V  vocabulary
        M  words of a tokenizer's cache
        T  letters of all words, one word after the other
        W  words
    evaluation.benchmarks
        G  relevant candidates that a query has at most
        X  candidates that a query does not search at most
        I  items
        T  texts of both sides
        U  different texts
    evaluation.embedding
        P  shares, as above
        R  packed rows of one share
        L  tokens of a row
        S  segments (texts) a row can hold at most
        b  queries of one share
        C  counts of a text
        E  states of an encoder: after the embedding layer and after each layer; expansions of a query
        I  items of a layer probe
    connected
        E  edges of a graph
    evaluation.ranked, evaluation.fused, evaluation.during_training
        G  relevant candidates that a query has at most
        X  candidates that a query does not search at most
    evaluation.others
        E  lines of a run
        G  relevant candidates that a query has at most
        M  slots of candidates
        X  candidates that a query does not search at most
    evaluation.ranking, evaluation.measures, evaluation.results
        B  queries of a bank
        G  relevant candidates that a query has at most
        K  depths of a gain
        M  slots of candidates
        S  slots of one pool
        T  tiles of slots
        t  slots of one tile
        W  relevant candidates within one language, at most
        X  candidates that a query does not search at most
    evaluation.search
        C  candidates that the first pass lists
        G  members of a group of candidates
        H  groups whose best score may matter
        K  candidates kept for each query
        P  shares of a block of candidates, one per device
        R  rows of a merge
        S  candidates of one block
        T  groups of a block
        X  pairs of a query and a candidate that are scored exactly
    evaluation.streamed
        I  different queries
        P  pools
        K  candidates kept for each query
        k  the first k of them
        M  passages that may have a copy
        R  passages that are kept
    evaluation.statistics
        I  items
        K  cells: values that are present in the same places
        P  pools
        U  units that a table's rows combine
        W  draws of one round
        X  runs
        Y  rows of a table
    interchange
        K  nearest texts
        S  texts of one block
    mining
        A  rows of a pair table
        K  negatives of a pair, at most; texts listed for a query
        X  items ranked for the queries or pairs of one block
        Y  negatives chosen
        m  pairs of the queries of one language
        n  texts, pairs or queries of one block
    data_prep
        A  rows of a pair table
        E  edges of a graph
        M  ids of one call that are not known yet
        T  letters of all texts, one text after the other
        U  different texts
        V  vocabulary

"step" counts the updates already applied.  "query" and "passage" are the two sides of training, "candidate" is what
an evaluation ranks.  Languages are BCP-47 codes as the benchmarks write them, scripts are ISO 15924 codes.
"""

__version__ = "0.1.0"
