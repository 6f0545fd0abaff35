"""From English rows to parallel rows: aligned, filtered, resumed, and built into a store."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from data_prep.build_store import build_store
from data_prep.sources import registry
from data_prep.train_sentencepiece import train_sentencepiece
from data_prep.translate import summary, translate
from data_prep.translation.filters import SCRIPT, UNFINISHED, Limits
from data_prep.translation.rows import BLANK, NO_NEGATIVE, NO_SIDE, SAME, SCORES
from hbt_jax.data.store import open_store
from hbt_jax.errors import InputError, Interrupted
from hbt_jax.languages import language
from hbt_jax.training.preemption import StopRequest
from tests.data_prep.translation.tiny_translation import LONGEST, SENTENCES, tiny_model
from tests.test_holding import CHILD

pytest.importorskip("sentencex")

ROOT = Path(__file__).resolve().parents[2]
PERU = "What is the capital of Peru?"
LIMA = "Lima is the capital of Peru. It lies on the coast."
QUITO = "Quito is the capital of Ecuador."
TWIN = "Quito is the Capital of Ecuador."  # another text, the same once translated
ROWS = [
    {"query": {"en": PERU}, "passage": {"en": LIMA}, "negatives": [{"en": QUITO}], "group": "peru"},
    {
        "query": {"en": "And of Ecuador?", "de": "Und von Ecuador?"},
        "passage": {"en": QUITO},
        "negatives": [{"en": TWIN}],
    },
    {"query": {"fr": "La capitale ?"}, "passage": {"en": "Endless is this text."}},
]
CYRILLIC = str.maketrans("abcdefghijklmnopqrstuvwxyz", "абцдефгхийклмнопкрстуввхуз")


class Speller:
    """Spells German with more letters and Russian with others; never ends a sentence that begins with Endless."""

    settings = {"model": "speller"}

    def __init__(self):
        self.seen = []

    def check(self, code):
        language(code)

    def __call__(self, texts, source, target):
        assert source == "en"
        self.seen += [(target, text) for text in texts]
        return [None if text.startswith("Endless") else self._spelt(text.lower(), target) for text in texts]

    @staticmethod
    def _spelt(text, target):
        return text.translate(CYRILLIC) if target == "ru" else text.replace("e", "ee").capitalize()


@pytest.fixture
def english(tmp_path):
    """Settings of the source: a folder of rows in English."""
    folder = tmp_path / "in"
    folder.mkdir()
    write(folder, ROWS)
    return {"source": "jsonl", "split": "train", "raw_dir": tmp_path / "raw", "input_dir": folder}


def write(folder, rows):
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (folder / "train.jsonl").write_text(text, encoding="utf-8")


def read(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_each_side_gets_its_translations_and_rows_stay(english, tmp_path):
    report = translate(**english, out_dir=tmp_path / "out", translator=Speller(), languages=["de", "ru"])
    first, second, third = read(tmp_path / "out" / "train.jsonl")
    assert first["query"] == {"de": "What is thee capital of peeru?", "en": PERU, "ru": "вхат ис тхе цапитал оф перу?"}
    assert first["passage"]["de"] == "Lima is thee capital of peeru. It liees on thee coast."
    assert first["negatives"] == [second["passage"]] and first["group"] == "group peru"
    assert second["query"]["de"] == "Und von Ecuador?"  # one's own text is kept
    assert second["negatives"] == [{"en": TWIN}]  # its translations would be the row's own passage
    assert third["query"] == {"fr": "La capitale ?"} and third["passage"] == {"en": "Endless is this text."}
    assert report["different_texts"] == 6 and report["rows"] == 3 and report["dropped"] == {SAME: 2}
    german = report["languages"]["de"]
    assert german["kept"] == 5 and german["dropped"] == {UNFINISHED: 1} and german["own_texts"] == 1
    assert german["examples"] == {UNFINISHED: [{"text": "Endless is this text.", "translation": None}]}
    assert json.loads((tmp_path / "out" / "train-report.json").read_text(encoding="utf-8")) == report
    assert summary(report) == [
        "train.jsonl: 3 rows; 6 distinct texts in 'en'",
        "  de: 5 translations kept; 1 items keep their own text",
        f"    dropped: 1 {UNFINISHED}",
        "  ru: 5 translations kept",
        f"    dropped: 1 {UNFINISHED}",
        f"  dropped: 2 {SAME}",
    ]
    assert report["limits"] == {"least_length": 0.4, "most_length": 2.5, "script_share": 0.25, "repeats": 3}
    assert {path.name for path in (tmp_path / "out" / "train-shards").iterdir()} == {
        "settings.json", "de-00000.jsonl", "ru-00000.jsonl",
    }  # fmt: skip
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"train.jsonl", "train-report.json", "train-shards"}


def test_each_text_and_sentence_is_translated_once(english, tmp_path):
    write(english["input_dir"], [*ROWS, *ROWS[:1]])
    speller = Speller()
    translate(**english, out_dir=tmp_path / "out", translator=speller, languages=["de"])
    assert len(speller.seen) == len(set(speller.seen)) == 7  # six texts, one of two sentences
    assert [len(text) for _, text in speller.seen] == sorted((len(text) for _, text in speller.seen), reverse=True)


def test_a_run_goes_on_where_it_stopped(english, tmp_path):
    stop = StopRequest()

    class Stopping(Speller):
        def __call__(self, texts, source, target):
            if len(self.seen) >= 4:
                stop.received = signal.SIGTERM
            return super().__call__(texts, source, target)

    whole = {"languages": ["de", "ru"], "shard_texts": 2}
    stopped = Stopping()
    with pytest.raises(
        Interrupted, match="finished shards are kept; run the same command again to resume at a shard of '"
    ):
        translate(**english, out_dir=tmp_path / "out", translator=stopped, stop=stop, **whole)
    kept = sorted(path.name for path in (tmp_path / "out" / "train-shards").glob("*.jsonl"))
    assert 1 <= len(kept) < 6 and not (tmp_path / "out" / "train.jsonl").exists()
    rest = Speller()
    report = translate(**english, out_dir=tmp_path / "out", translator=rest, **whole)
    again = Speller()
    straight = translate(**english, out_dir=tmp_path / "straight", translator=again, **whole)
    assert report == straight and not set(rest.seen) & set(stopped.seen) and len(rest.seen) < len(again.seen)
    assert read(tmp_path / "out" / "train.jsonl") == read(tmp_path / "straight" / "train.jsonl")


def test_processes_translate_to_different_languages_at_the_same_time(english, tmp_path):
    out = {"out_dir": tmp_path / "out", "translator": Speller()}
    shards, end = tmp_path / "out" / "train-shards", tmp_path / "end"
    command = [sys.executable, "-c", CHILD, str(shards / "de"), "beside", str(end)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "holds\n"
        with pytest.raises(InputError, match=rf"train-shards/de is in use by process {other.pid} on .* --out_dir"):
            translate(**english, **out, languages=["ru", "de"])
        translate(**english, **out, languages=["ru"])
        end.touch()
    translate(**english, **out, languages=["ru", "de"])
    assert not list(shards.glob(".*"))


def test_limits_and_languages_need_no_second_translation(english, tmp_path):
    first, second, third = Speller(), Speller(), Speller()
    translate(**english, out_dir=tmp_path / "out", translator=first, languages=["ru"])
    limits = Limits(least_length=5, most_length=6)
    report = translate(**english, out_dir=tmp_path / "out", translator=second, languages=["ru"], limits=limits)
    assert second.seen == [] and report["languages"]["ru"]["kept"] == 0
    assert all(list(row["passage"]) == ["en"] for row in read(tmp_path / "out" / "train.jsonl"))
    translate(**english, out_dir=tmp_path / "out", translator=third, languages=["de", "ru"])
    assert {target for target, _ in third.seen} == {"de"}


def test_the_wrong_script_is_dropped_and_counted(english, tmp_path):
    report = translate(**english, out_dir=tmp_path / "out", translator=Speller(), languages=["th"])
    assert report["languages"]["th"]["dropped"] == {UNFINISHED: 1, SCRIPT: 5}


def test_a_negative_that_is_the_passage_in_every_language_is_left_out(english, tmp_path):
    write(english["input_dir"], [{"query": {"en": PERU}, "passage": {"en": "Lima"}, "negatives": [{"de": "Lima"}]}])
    report = translate(**english, out_dir=tmp_path / "out", translator=Speller(), languages=["de"])
    assert report["dropped"] == {SAME: 1, NO_NEGATIVE: 1}
    assert read(tmp_path / "out" / "train.jsonl")[0]["negatives"] == []


def test_records_that_no_row_can_hold_are_counted_or_refused(english, tmp_path, monkeypatch):
    tables = {
        "queries": [{"id": "q", "language": "en", "text": PERU}, {"id": "r", "language": "en", "text": " "}],
        "passages": [{"id": "p", "language": "en", "text": LIMA}],
        "pairs": [{"query": name, "passage": "p", "group": "g", "negatives": []} for name in "qr"],
    }
    monkeypatch.setattr(registry, "records", lambda source, table, split, raw_dir, **settings: iter(tables[table]))
    given = {**english, "translator": Speller(), "languages": ["de"]}
    report = translate(**given, out_dir=tmp_path / "out")
    assert report["rows"] == 1 and report["dropped"] == {BLANK: 1, NO_SIDE: 1}
    tables["pairs"][0] |= {"negatives": ["p"], "score": [2.0], "negative_scores": [1.0]}
    assert translate(**given, out_dir=tmp_path / "scored")["dropped"][SCORES] == 2
    tables["pairs"] = tables["pairs"][1:]
    with pytest.raises(InputError, match="pairs: the source has no usable pair for this split"):
        translate(**given, out_dir=tmp_path / "out")
    tables["passages"] *= 2
    with pytest.raises(InputError, match="an id has two texts in one language .*: expected one record per id and"):
        translate(**given, out_dir=tmp_path / "out")
    assert not (tmp_path / "out" / "train-shards" / "gathered.sqlite").exists()


def test_parallel_rows_build_a_store(english, tmp_path):
    translate(**english, out_dir=tmp_path / "out", translator=Speller(), languages=["de", "ru"])
    settings = {"input_dir": tmp_path / "out"}
    train_sentencepiece("jsonl", tmp_path / "raw2", tmp_path / "tokenizer", 60, **settings)
    build_store("jsonl", "train", tmp_path / "raw2", tmp_path / "store", tmp_path / "tokenizer", **settings)
    store = open_store(tmp_path / "store", None)
    assert store.languages == ("de", "en", "fr", "ru")
    assert len(store.pairs.query_A) == 3


def test_other_settings_and_damage_are_refused(english, tmp_path):
    given = {**english, "out_dir": tmp_path / "out", "languages": ["de"]}
    translate(**given, translator=Speller())
    other = Speller()
    other.settings = {"model": "other"}
    with pytest.raises(InputError, match=r"out holds translations with other settings: model is changed from speller to"
                                         r" other; choose another --out_dir, or remove .*train-shards"):  # fmt: skip
        translate(**given, translator=other)
    with pytest.raises(InputError, match="other settings: shard_texts is changed from 2048 to 3"):
        translate(**given, translator=Speller(), shard_texts=3)
    shard = tmp_path / "out" / "train-shards" / "de-00000.jsonl"
    for damaged in (shard.read_text(encoding="utf-8").replace("Lima", "Rome"), "", "[]\n", "{"):
        shard.write_text(damaged, encoding="utf-8")
        with pytest.raises(
            InputError, match="de-00000.jsonl: not the translations of its 6 texts: remove the file and"
        ):
            translate(**given, translator=Speller())
    write(english["input_dir"], ROWS[:1])
    with pytest.raises(InputError, match="other settings: texts is changed"):
        translate(**given | {"raw_dir": tmp_path / "raw2"}, translator=Speller())
    (shard.parent / "settings.json").write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match="settings.json: not JSON .*: remove .*train-shards, or choose"):
        translate(**given | {"raw_dir": tmp_path / "raw2"}, translator=Speller())


def test_languages_by_any_code_are_translated_to_as_one(english, tmp_path, capsys):
    speller = Speller()
    given = {**english, "out_dir": tmp_path / "out", "translator": speller, "source_language": "eng"}
    report = translate(**given, languages=["tl", "rus"])
    assert list(report["languages"]) == ["fil", "ru"] and {target for target, _ in speller.seen} == {"fil", "ru"}
    said = capsys.readouterr().out
    for written, code in (("eng", "en"), ("tl", "fil"), ("rus", "ru")):
        assert f"{written!r} is counted as {code}, the same language" in said
    assert set(read(tmp_path / "out" / "train.jsonl")[0]["query"]) <= {"en", "fil", "ru"}
    seen = len(speller.seen)
    translate(**given, languages=["fil"])
    assert len(speller.seen) == seen


def test_wrong_languages_and_folders_are_named(english, tmp_path):
    given = {**english, "translator": Speller()}
    for languages in ([], ["de", "de"], ["en"]):
        with pytest.raises(
            InputError, match="--languages=.*: expected one or more codes, each once, other than --source_"
        ):
            translate(**given, out_dir=tmp_path / "out", languages=languages)
    for languages, said in (
        (["tl", "fil"], "'tl' and 'fil' are both fil"), (["zh-CN", "de", "zh"], "'zh-CN' and 'zh' are both zh"),
        (["eng"], "'en' and 'eng' are both en"), (["kzj", "dtp"], "'kzj' and 'dtp' are both dtp"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=f"expected one or more codes, .* than --source_language=en; {said}$"):
            translate(**given, out_dir=tmp_path / "out", languages=languages)
    with pytest.raises(InputError, match="unknown language 'xx': expected a BCP-47 or"):
        translate(**given, out_dir=tmp_path / "out", languages=["xx"])
    with pytest.raises(InputError, match="--source_language=te: this split of the source has no text in it"):
        translate(**given, out_dir=tmp_path / "out", languages=["en"], source_language="te")
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match=r"--out_dir=.*file: cannot be written \(.*\): choose another"):
        translate(**given, out_dir=tmp_path / "file", languages=["de"])


@pytest.fixture(scope="module")
def command(tmp_path_factory):
    """The command with a real model, and many rows, and its output folder."""
    folder = tmp_path_factory.mktemp("command")
    tiny_model(folder / "model")
    (folder / "in").mkdir()
    texts = [f"{sentence} {number}" for number in range(300) for sentence in SENTENCES]
    write(folder / "in", [{"query": {"en": text}, "passage": {"en": text + " Oslo"}} for text in texts])
    for table in registry.TABLES:
        registry.builder("jsonl", table, folder / "raw", input_dir=folder / "in")
    flags = {"source": "jsonl", "languages": "de,ru", "max_tokens": LONGEST, "shard_texts": 4, "threads": 1}
    flags |= {"input_dir": folder / "in", "raw_dir": folder / "raw", "out_dir": folder / "out"}
    flags["model"] = folder / "model" / "ct2"
    return [sys.executable, str(ROOT / "data_prep" / "translate.py"), *(f"--{k}={v}" for k, v in flags.items())]


def test_a_signal_ends_the_command_with_3_and_it_goes_on(command):
    out = Path(next(flag for flag in command if flag.startswith("--out_dir=")).partition("=")[2])
    environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        while process.poll() is None and not list(out.glob("train-shards/de-00001.jsonl")):
            time.sleep(0.01)
        process.terminate()
        said = process.communicate()[1]
    assert process.returncode == 3, said
    assert (
        "SIGTERM: stopping after the current sentences" in said
        and "stopped: finished shards are kept; run the same" in said
    )
    kept = {path: path.stat().st_mtime_ns for path in out.glob("train-shards/*.jsonl")}
    assert 2 <= len(kept) < 1200 and not list(out.glob("train-shards/*.partial"))
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("train.jsonl: 1,200 rows; 2,400 distinct texts in 'en'\n  de: ")
    assert all(path.stat().st_mtime_ns == before for path, before in kept.items())
    assert len(read(out / "train.jsonl")) == 1200


def test_wrong_flags_end_the_command_with_2(command):
    def ended(*changed):
        names = [flag.partition("=")[0] for flag in changed]
        flags = [*(flag for flag in command if flag.partition("=")[0] not in names), *changed]
        done = subprocess.run(flags, capture_output=True, text=True, check=False)
        return done.returncode, done.stderr.strip()

    what = "folder of an NLLB-200 or M2M-100 model that ct2-transformers-converter made"
    assert ended("--model=") == (2, f"error: --model is needed: {what}")
    code, said = ended("--model=/no/such")
    assert code == 2 and said.startswith("error: --model=/no/such: no such folder: expected one that ct2-transf")
    code, said = ended("--languages=de,quz")
    assert code == 2 and "does not translate 'quz' (Cusco Quechua): it has de en ru zh" in said
