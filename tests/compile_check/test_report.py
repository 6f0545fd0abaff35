"""The report names every flag file, and misses as misses."""

from pathlib import Path

import pytest

from hbt_jax.compile_check import report, table
from hbt_jax.compile_check.chips import SLICES
from hbt_jax.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
GIB = 2**30
COMPILED = {
    "arguments": 1.0 * GIB, "temporaries": 5.0 * GIB, "peak": 6.0 * GIB, "limit": 15.75 * GIB, "fits": True,
    "spare": 0.619, "headroom": 0.2, "roomy": True, "seconds": 50.0, "cpu_seconds": 80.0,
}  # fmt: skip
FOUND = {
    "topology": "v5e:16x16", "chips": 256, "mesh": {"data": 256, "fsdp": 1}, "versions": {"jax": "1", "libtpu": "2"},
    "global_batch": 32768, "rows_per_chip": 160, "row_tokens": 128, "options": {"remat": "dots"},
    "update": COMPILED, "evaluator": COMPILED, "largest_encode_chunk": 0,
    "flops_per_step": {"done": 2e12, "needed": 1e12}, "bytes_moved": 2e9, "bytes_sent": 2.5e9, "bytes_once": 2e9,
    "collectives": [{"kind": "all-gather", "axis": "data", "bytes": 7e8, "count": 1, "times": 12,
                     "arrays": "f32[8, 3]"}],
    "moves_logits": False, "loops_counted_as_one_trip": [],
    "roofline": {"compute": 0.05, "memory": 0.1, "links": 0.02, "least": 0.1, "most": 0.17, "mfu": [0.3, 0.5],
                 "assumptions": ["at the peak"]},
}  # fmt: skip


def too_large() -> dict:
    update = {**COMPILED, "temporaries": None, "peak": 18.0 * GIB, "fits": False, "roomy": False, "spare": -0.1}
    return {**FOUND, "update": {**update, "seconds": 61.0}, "roofline": None, "largest_encode_chunk": None,
            "collectives": [], "moves_logits": True, "bytes_sent": 2.7e9}  # fmt: skip


def written(monkeypatch, results) -> tuple[str, list]:
    ran = []

    def run(root, name, flags, cache):
        ran.append((name, tuple(flags), cache))
        return results(name)

    monkeypatch.setattr(report, "_run", run)
    return report.report(ROOT, "cache", lambda text: None), ran


def test_every_flag_file_is_checked_once(monkeypatch):
    text, ran = written(monkeypatch, lambda name: FOUND)
    names = {path.stem for path in (ROOT / report.FLAGFILES).glob("*.flags")} - {"recipe"}
    assert len(names) == 16
    assert [name for name, flags, _ in ran if "--largest_chunk" in flags] == sorted(names)
    assert len(ran) == len(set(ran)) and {cache for _, _, cache in ran} == {"cache"}
    assert all(f"| `{name}` | 32,768 | 160 | 1.00 | 5.00 | 6.00 of 15.75 | 62% |" in text for name in names)
    assert (
        "**missed**" not in text and "met: 62% free | met: not moved | met: 1.25 times | met: 50 s, 80 s of CPU" in text
    )
    assert "- at the peak" in text and "  - all-gather: 700.0 MB over data: 1 x 12 x f32[8, 3]" in text


def test_misses_are_named(monkeypatch):
    text, _ = written(monkeypatch, lambda name: too_large() if name == "xlmr_large_v5e_256" else FOUND)
    row = (
        "| `xlmr_large_v5e_256` | **missed**: -10% free | **missed**: moved | **missed**: 1.35 times | **missed**: 61 s"
    )
    assert row in text
    assert "| 1.00 | too large | 18.00 of 15.75 | **does not fit** | 6.00 | none | - | - | - | 61 (80) |" in text


def test_names_of_flag_files_say_the_slice():
    assert report.slice_of("xlmr_base_v5e_256_batch_131072") == "v5e-256"
    assert report.slice_of("labse_v4_8") == "v4-8"
    assert {report.slice_of(path.stem) for path in (ROOT / report.FLAGFILES).glob("*_*.flags")} == set(SLICES)
    with pytest.raises(
        InputError, match=r"launch/flagfiles/tpu/labse_v5e_25\.flags: its name has no slice in it: expected"
    ):
        report.slice_of("labse_v5e_25")


def test_the_table_of_one_check():
    text = "\n".join(table.lines(FOUND))
    assert (
        "update memory           fits: arguments 1.00 + temporaries 5.00, peak 6.00 of 15.75 GiB, 62% to spare" in text
    )
    assert "100.0 to 170.0 ms a step (matrix products 50.0, HBM 100.0, links 20.0), MFU 30% to 50%" in text
    assert "logits: not moved" in text and "largest --encode_chunk  0, all rows at once" in text
    text = "\n".join(table.lines(too_large() | {"loops_counted_as_one_trip": ["while.3"]}))
    assert "update memory           DOES NOT FIT: arguments 1.00, peak 18.00 of 15.75 GiB" in text
    assert "warning: loops of unknown length count once: while.3" in text
    narrow = {**FOUND, "update": {**COMPILED, "spare": 0.1, "roomy": False}}
    assert "10% to spare (less than --headroom=0.2)" in "\n".join(table.lines(narrow))
