"""The three tables of a source, and what to do with a malformed row.

Every source is one builder with three configs:

    queries, passages   {"id", "language", "text"}: one record per item and language; none if the item has no text in
                        that language
    pairs               {"query", "passage", "group", "negatives"}: ids of a query and of the passage that answers it,
                        the group of translations or facts that both belong to, ids of hard negative passages;
                        sources with teacher scores also have "score" (one number or none) and "negative_scores" (one
                        number for each negative, or none)
"""

import numpy as np

from hbt_jax.data.pipeline import import_tensorflow

TABLES = ("queries", "passages", "pairs")
ON_BAD_ROW = ("stop", "skip")


def table_features(table: str, scores: bool = False):
    """The features of one table, which a builder's `_info` declares.

    Args:
      table: one of TABLES.
      scores: whether the source may have teacher scores.

    Returns:
      a tfds.features.FeaturesDict, as listed in the module's docstring.
    """
    import_tensorflow()  # before TensorFlow Datasets imports it, with its start-up notes
    import tensorflow_datasets as tfds

    text = tfds.features.Text()
    if table == "pairs":
        features = {"query": text, "passage": text, "group": text, "negatives": tfds.features.Sequence(text)}
        if scores:
            features |= dict.fromkeys(("score", "negative_scores"), tfds.features.Sequence(np.float32))
    else:
        features = {"id": text, "language": text, "text": text}
    return tfds.features.FeaturesDict(features)
