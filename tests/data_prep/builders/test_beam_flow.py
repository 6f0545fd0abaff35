"""Large sources on Apache Beam: the same tables, counts and errors as in one process."""

import json
import shutil

import pytest

from data_prep.builders.base import BAD_ROWS
from data_prep.sources import registry
from hbt_jax.errors import InputError
from tests.data_prep.source_rows import FIXTURES

pytest.importorskip("apache_beam", reason="apache_beam is not installed; it has an environment of its own, see README")

THREADS = "--runner=DirectRunner,--direct_running_mode=multi_threading,--direct_num_workers=2"
PROCESSES = "--runner=DirectRunner,--direct_running_mode=multi_processing,--direct_num_workers=2"


def made(source, table, raw_dir, **settings):
    """The records of every split, and what each left out."""
    settings = {"input_dir": FIXTURES / source} | settings
    built = registry.builder(source, table, raw_dir, **settings)
    records = {split: list(registry.records(source, table, split, raw_dir, **settings)) for split in built.info.splits}
    return records, {split: dict(counts) for split, counts in built.info.metadata["dropped"].items()}


@pytest.mark.parametrize(("source", "table", "options"), [
    ("mmarco", "pairs", THREADS),
    ("mmarco", "passages", PROCESSES),
    ("coco35l", "pairs", THREADS),
    ("coco35l", "queries", THREADS),
])  # fmt: skip
def test_two_workers_make_the_same_table_as_one_process(tmp_path, source, table, options):
    alone = made(source, table, tmp_path / "alone")
    assert made(source, table, tmp_path / "beam", beam_options=options) == alone
    assert alone[1]["train"]
    left = [path.name for path in (tmp_path / "beam" / source / table / "1.0.0").iterdir()]
    assert not [name for name in left if name.startswith("left-out")]


def test_lines_that_cannot_be_used_stop_the_build_or_are_set_aside(tmp_path):
    folder = shutil.copytree(FIXTURES / "mmarco", tmp_path / "in")
    with (folder / "triples.train.ids.small.tsv").open("a", encoding="utf-8") as file:
        file.write("10\t0\n" + "10\t0\t1\n" * 8 + "10\t0\t99\n")
    with pytest.raises(InputError, match=rf"^{folder}/triples.*small\.tsv:4: 2 columns: expected 3 separated by tabs"):
        made("mmarco", "pairs", tmp_path / "stop", input_dir=folder, beam_options=THREADS)
    settings = {"input_dir": folder, "on_bad_row": "skip"}
    records, left_out = made("mmarco", "pairs", tmp_path / "skip", beam_options=THREADS, **settings)
    assert (records, left_out) == made("mmarco", "pairs", tmp_path / "alone", **settings)
    assert left_out["train"][f"{BAD_ROWS}, listed in rejects-train.jsonl"] == 2
    listed = (tmp_path / "skip" / "mmarco" / "pairs" / "1.0.0" / "rejects-train.jsonl").read_text().splitlines()
    assert [json.loads(line)["row"].split(": ")[0].rpartition(":")[2] for line in listed] == ["4", "13"]


def test_a_wrong_file_and_a_split_without_rows_are_named(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "cc3m_mt_train.jsonl.bz2").write_bytes(b"no archive")
    with pytest.raises(InputError, match=r"train\.jsonl\.bz2: damaged .*: expected a complete bzip2 file; download it"):
        made("cc3m35l", "pairs", tmp_path / "raw", input_dir=folder, beam_options=THREADS)
    (folder / "cc3m_mt_train.jsonl.bz2").unlink()
    line = (FIXTURES / "cc3m35l" / "cc3m_mt_dev.jsonl").read_text(encoding="utf-8")
    (folder / "cc3m_mt_train.jsonl").write_text(line.replace("sariwang tinapay", ""), encoding="utf-8")
    with pytest.raises(InputError, match="train has no usable row .left out: .*1 captions without a translation"):
        made("cc3m35l", "pairs", tmp_path / "raw", input_dir=folder, beam_options=THREADS)


@pytest.mark.parametrize(("options", "message"), [
    ("DirectRunner", "--beam_options: 'DirectRunner': expected Beam options such as --runner=DirectRunner,"),
    ("--runer=DirectRunner", "--beam_options: Beam has no option runer: expected options such as --runner=Direct"),
    ("--runner=Fast", "--beam_options: unknown runner 'Fast': expected one of .*DataflowRunner"),
])  # fmt: skip
def test_wrong_options_are_named(tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        made("mmarco", "pairs", tmp_path, beam_options=options)
