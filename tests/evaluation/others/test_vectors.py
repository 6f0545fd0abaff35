"""Vectors in files are ranked as a model's; their order is checked."""

import json

import numpy as np
import pytest

from hbt_jax.errors import InputError
from tests.evaluation import ranked_small


def test_vectors_score_as_a_models_do(by_vectors, benchmark, small_embeddings, tmp_path):
    _, summary = by_vectors
    expected = ranked_small.evaluate(benchmark, *small_embeddings, out_dir=tmp_path)
    for block in ("metrics", "by_query_language", "by_pair", "intervals", "worst_queries"):
        assert summary[block] == expected[block]
    assert summary["settings"]["similarity"] == "inner product"


def test_ids_beside_the_vectors_say_whose_they_are(by_vectors, evaluate, benchmark, vectors, tmp_path):
    rng = np.random.default_rng(0)
    paths = [tmp_path / f"{side}.npy" for side in ("queries", "candidates")]
    for path, given, side in zip(paths, vectors, (benchmark.queries, benchmark.candidates), strict=True):
        order = rng.permutation(len(side))
        np.save(path, np.load(given)[order].astype(np.float16))
        path.with_suffix(".ids").write_text("".join(f"{side.ids[n]}\n" for n in order))
    found = evaluate(tmp_path / "out", embeddings=tuple(map(str, paths)))
    assert found["metrics"] == by_vectors[1]["metrics"]


def test_vectors_are_scaled_on_request(evaluate, benchmark, small_embeddings, vectors, tmp_path):
    found = evaluate(tmp_path / "out", embeddings=vectors, normalize=True)
    scaled = [one / np.maximum(np.linalg.norm(one, axis=1, keepdims=True), 1e-9) for one in small_embeddings]
    expected = ranked_small.evaluate(benchmark, *scaled, out_dir=tmp_path / "expected")
    assert found["metrics"]["multilingual"]["map"] == pytest.approx(
        expected["metrics"]["multilingual"]["map"], abs=0.02
    )
    assert found["settings"]["similarity"] == "cosine"


def test_the_texts_are_written_in_the_order_of_the_rows(benchmark_folder, benchmark):
    rows = [json.loads(line) for line in (benchmark_folder / "candidates.jsonl").read_text().splitlines()]
    assert [row["id"] for row in rows] == benchmark.candidates.ids
    assert rows[0]["text"] == benchmark.candidates.texts[0]


def wrong(content: np.ndarray, name: str) -> np.ndarray:
    if name == "rows":
        return content[1:]
    if name == "flat":
        return content.ravel()
    if name == "width":
        return content[:, :1]
    content = content.copy()
    content[3, 1] = np.nan
    return content


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("rows", " rows, but there are "),
        ("flat", "expected numbers [texts, D]"),
        ("width", "expected vectors of one model"),
        ("nan", "1 rows are not finite in float32, the first is that of"),
    ],
)
def test_wrong_arrays_are_named(evaluate, vectors, name, message, tmp_path):
    path = tmp_path / "queries.npy"
    np.save(path, wrong(np.load(vectors[0]), name))
    with pytest.raises(InputError) as caught:
        evaluate(tmp_path / "out", embeddings=(str(path), vectors[1]))
    assert str(path) in str(caught.value) and message in str(caught.value)


def test_files_that_are_no_arrays_and_wrong_ids(evaluate, benchmark, vectors, tmp_path):
    path = tmp_path / "queries.npy"
    with pytest.raises(InputError, match="no such file: --embeddings takes two .npy files"):
        evaluate(tmp_path / "out", embeddings=(str(path), vectors[1]))
    path.write_bytes(b"text")
    with pytest.raises(InputError, match="not an array that numpy.load reads"):
        evaluate(tmp_path / "out", embeddings=(str(path), vectors[1]))
    np.save(path, np.load(vectors[0]))
    ids = list(benchmark.queries.ids)
    for lines, message in (
        ([*ids[1:], "x"], "unknown id 'x': it is not among the queries of small"),
        ([*ids[1:], ids[1]], "occurs twice, first in line 1: keep one row"),
        (ids[1:], f"1 queries of small have no row, the first is {ids[0]!r}"),
    ):
        path.with_suffix(".ids").write_text("\n".join(lines))
        with pytest.raises(InputError) as caught:
            evaluate(tmp_path / "out", embeddings=(str(path), vectors[1]))
        assert str(path.with_suffix(".ids")) in str(caught.value) and message in str(caught.value)
