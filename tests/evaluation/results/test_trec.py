"""A file of judgements is complete or as it was before, whatever stops its writing."""

import types

import numpy as np
import pytest

from hbt_jax.evaluation.results import trec
from hbt_jax.evaluation.streamed import results


class Stopped(Exception):
    pass


class Queries(list):
    """Queries of which the ids and languages are read."""

    @property
    def ids(self):
        return list(self)

    @property
    def languages(self):
        return ["de"] * len(self)


class Grades(list):
    """The judgements of the queries; the last one's cannot be read."""

    def __iter__(self):
        yield from self[:2]
        raise Stopped


def in_memory(stops):
    """Three queries with two relevant candidates each, in grades 1 and 2."""

    def grades(query):
        if stops and query == 2:
            raise Stopped
        return [1, 2, 1]

    return types.SimpleNamespace(
        queries=Queries(["q0", "q1", "q2"]),
        candidates=types.SimpleNamespace(ids=["a", "b", "ü"]),
        relevant_QG=np.array([[0, 1], [1, 2], [0, 2]]),
        grades=grades,
    )


def of_memory(stops):
    return trec.write_qrels, in_memory(stops), "q0 0 a 1\nq0 0 b 2\nq1 0 b 2\nq1 0 ü 1\nq2 0 a 1\nq2 0 ü 1\n"


def of_stream(stops):
    grades = [{"de:a": 1, "de:b": 2}, {"de:ü": 0}, {"de:a": 3}]
    benchmark = types.SimpleNamespace(
        asked=Queries(["de:0", "de:1", "de:2"]), joint_grades=Grades(grades) if stops else grades
    )
    return results.write_qrels, benchmark, "de:0 0 de:a 1\nde:0 0 de:b 2\nde:1 0 de:ü 0\nde:2 0 de:a 3\n"


@pytest.mark.parametrize("kind", [of_memory, of_stream])
@pytest.mark.parametrize("earlier", [None, "earlier\n"])
def test_what_stops_the_writing_leaves_the_earlier_file(tmp_path, kind, earlier):
    path = tmp_path / "qrels.trec"
    if earlier:
        path.write_text(earlier)
    write, benchmark, _ = kind(stops=True)
    with pytest.raises(Stopped):
        write(str(path), benchmark)
    assert [one.name for one in tmp_path.iterdir()] == (["qrels.trec"] if earlier else [])
    assert not earlier or path.read_text() == earlier
    write, benchmark, text = kind(stops=False)
    write(str(path), benchmark)
    assert path.read_text(encoding="utf-8") == text and len(list(tmp_path.iterdir())) == 1
