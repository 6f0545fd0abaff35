# ruff: noqa: E501
"""Parts of optimized programs for TPUs, as libtpu 0.0.52 wrote them, shortened; the comments say what is in them."""

from pathlib import Path

_FOLDER = Path(__file__).parent / "programs"

# A loop of 12 layers around a loop that begins at 0, adds 2 and ends at 8, so that its body runs 4 times in each.
LOOPS = (_FOLDER / "loops.hlo").read_text(encoding="utf-8")

# Groups in every notation, on a mesh of 4 x 2; an all-reduce of which each chip keeps its part; a gather that is begun,
# continued and ended in three fusions.
COLLECTIVES = (_FOLDER / "collectives.hlo").read_text(encoding="utf-8")

# One layer of twelve is read, and one is written in place; a table is looked up; the rest moves whole.
TRAFFIC = (_FOLDER / "traffic.hlo").read_text(encoding="utf-8")
