"""The three tables of a source, and what to do with a malformed row.

Every source is one builder with three configs:

    queries, passages   {"id", "language", "text"}: one record per item and language; none if the item has no text in
                        that language
    pairs               {"query", "passage", "group", "negatives"}: ids of a query and of the passage that answers it,
                        the group of translations or facts that both belong to, ids of hard negative passages
"""

from hbt_jax.data.pipeline import import_tensorflow

TABLES = ("queries", "passages", "pairs")
ON_BAD_ROW = ("stop", "skip")


def table_features(table: str):
    """The features of one table, which a builder's `_info` declares; the same for every source.

    Args:
      table: one of TABLES.

    Returns:
      a tfds.features.FeaturesDict, as listed in the module's docstring.
    """
    import_tensorflow()  # before TensorFlow Datasets imports it, with its start-up notes
    import tensorflow_datasets as tfds

    text = tfds.features.Text()
    if table == "pairs":
        features = {"query": text, "passage": text, "group": text, "negatives": tfds.features.Sequence(text)}
    else:
        features = {"id": text, "language": text, "text": text}
    return tfds.features.FeaturesDict(features)
