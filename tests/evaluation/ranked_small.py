"""Evaluates embeddings that a test has made."""

from hbt_jax.evaluation import run


def evaluated(benchmark, query_QD, candidate_ND, *, out_dir, model_name="m", settings=(), counts=(), **options) -> dict:
    """The content of results.json."""
    return run.evaluate(
        benchmark,
        query_QD,
        candidate_ND,
        out_dir=str(out_dir),
        model_name=model_name,
        settings=dict(settings),
        counts=dict(counts),
        **options,
    )
