"""The source `facts` as TensorFlow Datasets tables, as a benchmark folder and through its command."""

import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path

import babel
import pytest

from data_prep import prepare_facts
from data_prep.build_store import build_store, summary
from data_prep.facts import builder
from data_prep.facts.groups import Group, all_groups
from data_prep.facts.names import cldr_version
from data_prep.sources import registry
from data_prep.train_sentencepiece import train_sentencepiece
from data_prep.write_benchmark import write_benchmark
from hbt_jax.data.manifest import data_release
from hbt_jax.data.store import open_store
from hbt_jax.errors import InputError
from hbt_jax.evaluation.benchmarks import folder
from hbt_jax.training.checkpoint import Record
from hbt_jax.training.resume import RELEASES, check_same_run
from tests.data_prep.few_facts import few, raw_dir  # noqa: F401

ROOT = Path(__file__).resolve().parents[2]


def test_records_are_the_groups(raw_dir):  # noqa: F811
    for split, groups in few(0).items():
        for side, table in enumerate(("queries", "passages")):
            expected = [
                {"id": group.fact.id, "language": language, "text": texts[side]}
                for group in groups
                for language, texts in group.texts.items()
            ]
            assert list(registry.records("facts", table, split, raw_dir)) == expected
        expected = [
            {"query": group.fact.id, "passage": group.fact.id, "group": group.fact.id, "negatives": []}
            for group in groups
        ]
        assert list(registry.records("facts", "pairs", split, raw_dir)) == expected


def test_the_seed_is_written_down_and_chooses_the_held_out_facts(raw_dir):  # noqa: F811
    made = registry.builder("facts", "pairs", raw_dir, seed=7)
    assert made.info.metadata["seed"] == 7
    assert "Unicode License" in made.info.redistribution_info.license
    assert [pair["query"] for pair in registry.records("facts", "pairs", "test", raw_dir)] == [
        group.fact.id for group in few(7)["test"]
    ]


def test_tables_of_another_seed_or_cldr_are_refused(raw_dir, monkeypatch):  # noqa: F811
    registry.builder("facts", "pairs", raw_dir, seed=7)
    assert registry.builder("facts", "pairs", raw_dir).info.metadata["seed"] == 7  # no seed asked for: any will do
    registry.builder("facts", "pairs", raw_dir, seed=7)
    message = r"pairs.1\.0\.0 was prepared from other facts .*: seed is changed from 7 to 0; remove .*facts or choose"
    with pytest.raises(InputError, match=message):
        list(registry.records("facts", "pairs", "test", raw_dir, seed=0))
    monkeypatch.setattr(builder, "cldr_version", lambda: "99")
    with pytest.raises(InputError, match="other facts .*: cldr is changed from .* to 99; remove"):
        registry.builder("facts", "pairs", raw_dir)


def test_a_store_says_what_its_source_was_made_from(raw_dir, tmp_path):  # noqa: F811
    registry.builder("facts", "pairs", raw_dir, seed=7)
    train_sentencepiece("facts", raw_dir, tmp_path / "tokenizer", 400, seed=7)
    build_store("facts", "validation", raw_dir, tmp_path / "store", tmp_path / "tokenizer", seed=7)
    manifest = open_store(tmp_path / "store").manifest
    assert manifest["source"]["metadata"] == {"seed": 7, "cldr": cldr_version(), "groups": len(all_groups()[0])}
    assert f"  made from Unicode CLDR {cldr_version()}" in summary(manifest)
    write_benchmark("facts", raw_dir, tmp_path / "benchmark")
    assert folder.read(str(tmp_path / "benchmark"), "facts").release == f"Unicode CLDR {cldr_version()}"
    (tmp_path / "benchmark" / "made_from.json").unlink()  # as of earlier versions
    assert folder.read(str(tmp_path / "benchmark"), "facts").release == ""
    write_benchmark("facts", raw_dir, tmp_path / "benchmark")


def test_unknown_names_are_listed(raw_dir):  # noqa: F811
    with pytest.raises(InputError, match="unknown source 'fact': the known sources are .*facts "):
        registry.builder("fact", "pairs", raw_dir)
    with pytest.raises(InputError, match="unknown table 'docs' of source facts: expected .* pairs"):
        registry.builder("facts", "docs", raw_dir)
    with pytest.raises(InputError, match="source facts has no split 'dev': it has .*train.*validation"):
        registry.records("facts", "pairs", "dev", raw_dir)


def test_a_table_that_was_stopped_half_way_is_written_again(raw_dir, monkeypatch):  # noqa: F811
    def stopped(self, split):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(builder.Facts, "_generate_examples", stopped)
        registry.builder("facts", "pairs", raw_dir)
    assert len(list(registry.records("facts", "pairs", "train", raw_dir))) == 40


def test_benchmark_judges_the_passage_of_the_fact_in_every_language(raw_dir, tmp_path):  # noqa: F811
    folder = tmp_path / "benchmarks" / "facts"
    counts = write_benchmark("facts", raw_dir, folder)
    queries, candidates = (
        [json.loads(line) for line in (folder / name).read_text(encoding="utf-8").splitlines()]
        for name in ("queries.jsonl", "candidates.jsonl")
    )
    judged = [line.split() for line in (folder / "qrels.trec").read_text(encoding="utf-8").splitlines()]
    assert counts == {"queries": len(queries), "candidates": len(candidates), "judgements": len(judged)}
    held_out = few(0)
    test, validation = ({group.fact.id for group in held_out[split]} for split in ("test", "validation"))
    assert {row["item"] for row in queries} == test
    assert {row["item"] for row in candidates} == test | validation
    assert all(row["id"] == f"{row['item']}:{row['language']}" for row in queries + candidates)
    expected = {
        (query["id"], candidate["id"])
        for query in queries
        for candidate in candidates
        if query["item"] == candidate["item"]
    }
    assert {(query, candidate) for query, _, candidate, _ in judged} == expected
    assert {(zero, gain) for _, zero, _, gain in judged} == {("0", "1")}
    assert not folder.with_name("facts.partial").exists()


def test_a_second_run_keeps_what_is_whole_and_makes_the_rest_again(raw_dir, tmp_path, monkeypatch, capsys):  # noqa: F811
    out, raw = tmp_path / "out", set()

    def contents():  # of all but the tables, whose files hold nothing that a second run could have changed
        return {path: path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file() and path not in raw}

    monkeypatch.setattr(prepare_facts, "groups_by_split", few)
    prepare_facts.prepare(out, 400, 0)
    raw.update((out / "raw").rglob("*"))
    first = contents()
    assert {"settings.json", "tokenizer", "train", "validation", "benchmarks"} <= {path.name for path in out.iterdir()}
    assert "store facts/train" in capsys.readouterr().out
    (out / "validation" / "manifest.json").unlink()
    (out / "tokenizer" / "training.json").unlink()
    shutil.rmtree(out / "benchmarks" / "facts")
    (out / "benchmarks" / "facts.partial").mkdir()
    (out / "raw" / "facts" / "pairs" / "incomplete.X_1.0.0").mkdir()
    prepare_facts.prepare(out, 400, 0)
    assert contents() == first and not list(out.rglob("incomplete*"))
    printed = capsys.readouterr().out
    assert "store facts/validation" in printed and "store facts/train" not in printed


@pytest.fixture
def other_release(monkeypatch):
    """A function after which CLDR is release 99, of other names."""

    def install():
        def renamed(seed):
            return {
                split: tuple(
                    Group(
                        group.fact,
                        {code: tuple(text + "!" for text in texts) for code, texts in group.texts.items()},
                    )
                    for group in groups
                )
                for split, groups in few(seed).items()
            }

        for module in (prepare_facts, builder):
            monkeypatch.setattr(module, "cldr_version", lambda: "99")
            monkeypatch.setattr(module, "groups_by_split", renamed)

    return install


def test_a_folder_of_another_cldr_is_used_as_it_is_and_says_so(
    raw_dir,  # noqa: F811
    tmp_path,
    monkeypatch,
    capsys,
    other_release,
):
    monkeypatch.setattr(prepare_facts, "groups_by_split", few)
    out = tmp_path / "out"
    prepare_facts.prepare(out, 400, 0)
    files = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    capsys.readouterr()
    other_release()
    prepare_facts.prepare(out, 400, 0)
    (line,) = capsys.readouterr().out.splitlines()
    assert line == (
        f"{out} was prepared with Unicode CLDR {cldr_version()}, but babel {babel.__version__} here has CLDR 99:"
        " used as it is; for CLDR 99 remove it, or choose another folder: --out_dir here,"
        " --prepared_dir of launch/train.py"
    )
    assert files == {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    with pytest.raises(InputError, match="prepared with other settings: seed is changed from 0 to 1; choose another"):
        prepare_facts.prepare(out, 400, 1)
    for missing in ("train/manifest.json", "tokenizer/training.json", "benchmarks/facts/qrels.trec"):
        (out / missing).unlink()
    (out / "benchmarks" / "facts").rename(out / "gone")
    with pytest.raises(InputError) as refused:
        prepare_facts.prepare(out, 400, 0)
    assert str(refused.value) == (
        f"{out} was prepared with Unicode CLDR {cldr_version()}, but babel {babel.__version__} here has CLDR 99:"
        f" the missing part cannot be made; install a babel with CLDR {cldr_version()}, remove the folder, or choose"
        " another folder: --out_dir here, --prepared_dir of launch/train.py"
    )


def test_another_cldr_is_another_fingerprint_which_a_run_refuses(raw_dir, tmp_path, monkeypatch, other_release):  # noqa: F811
    monkeypatch.setattr(prepare_facts, "groups_by_split", few)
    prepare_facts.prepare(tmp_path / "one", 400, 0)
    other_release()
    prepare_facts.prepare(tmp_path / "other", 400, 0)
    stores = [open_store(tmp_path / name / "train") for name in ("one", "other")]
    assert [data_release(store.manifest["source"]) for store in stores] == [
        f"Unicode CLDR {cldr_version()}",
        "Unicode CLDR 99",
    ]
    assert stores[0].fingerprint != stores[1].fingerprint
    saved, wanted = (
        Record(
            step=1,
            data={
                "model": "tiny",
                "stores": [store.fingerprint],
                RELEASES: [data_release(store.manifest["source"])],
            },
            configuration={},
        )
        for store in stores
    )
    check_same_run(saved, saved, tmp_path)
    with pytest.raises(InputError) as refused:
        check_same_run(saved, wanted, tmp_path)
    assert str(refused.value) == (
        f"{tmp_path} holds a run on other data: stores was ['{stores[0].fingerprint}'], now it is"
        f" ['{stores[1].fingerprint}']; releases of public data was ['Unicode CLDR {cldr_version()}'], now it is"
        " ['Unicode CLDR 99']; give the same stores, or another --workdir"
    )
    del saved.data[RELEASES]  # as early versions wrote it
    check_same_run(saved, dataclasses.replace(wanted, data={**saved.data, RELEASES: ["Unicode CLDR 99"]}), tmp_path)
    with pytest.raises(InputError, match="releases of public data was None, now it is"):
        check_same_run(saved, wanted, tmp_path)


@pytest.mark.parametrize("source", [None, [], {}, {"metadata": None}, {"metadata": {"cldr": 47}}, {"metadata": []}])
def test_data_of_no_known_release_has_none(source):
    assert data_release(source) == ""


def test_other_settings_need_another_folder(tmp_path):
    prepare_facts._claim(tmp_path / "out", {"seed": 0})
    prepare_facts._claim(tmp_path / "out", {"seed": 0})
    with pytest.raises(
        InputError, match="other settings: seed is changed from 0 to 1; choose another folder: --out_dir"
    ):
        prepare_facts._claim(tmp_path / "out", {"seed": 1})
    (tmp_path / "else").mkdir()
    (tmp_path / "else" / "thesis.txt").write_text("x")
    with pytest.raises(InputError, match="holds files but no settings.json"):
        prepare_facts._claim(tmp_path / "else", {"seed": 0})


def test_command_without_its_folder_ends_with_one_line_and_code_2():
    ended = subprocess.run(
        [sys.executable, str(ROOT / "data_prep" / "prepare_facts.py")], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 2
    assert ended.stderr.splitlines() == ["error: --out_dir is needed: folder to write everything to"]
