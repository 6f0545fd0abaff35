"""Processes that tokenise: the same stores as without them, and an end to every failure."""

import itertools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from data_prep import build_store as module
from data_prep.build_store import build_store
from data_prep.store.encoding import Encoders
from data_prep.store.filters import Filters
from hbt_jax.errors import InputError
from hbt_jax.models import word_cache
from hbt_jax.models.tokenizer import load_tokenizer
from tests.data_prep.test_build_store import PAIRS, PASSAGES, QUERIES, build, tokenizer_folder  # noqa: F401
from tests.models.huggingface import make_tokenizers
from tests.models.huggingface.make_tokenizers import hostile_words

ROOT = Path(__file__).resolve().parents[3]


def end(columns, tokenizer, filters):
    os.kill(os.getpid(), signal.SIGKILL)


def size(columns, tokenizer, filters):
    time.sleep(0.05 * (columns["n"] % 3))  # later batches are ready before earlier ones
    return columns["n"], os.getpid()


@pytest.fixture
def spread_out(monkeypatch):
    """Makes small stores with processes, two records a batch."""
    monkeypatch.setattr(module, "_FEW", 0)
    monkeypatch.setattr(module, "_BATCH", 2)


def test_processes_change_nothing(tmp_path, tokenizer_folder, spread_out):  # noqa: F811
    tables = {"queries": QUERIES, "passages": PASSAGES, "pairs": PAIRS}
    filters = Filters(shortest_text=3)
    for workers in (1, 2):
        build_store(
            "made", "train", "raw", tmp_path / str(workers), tokenizer_folder, records=tables.__getitem__,
            filters=filters, workers=workers,
        )  # fmt: skip
    files = [path.relative_to(tmp_path / "1") for path in (tmp_path / "1").rglob("*") if path.is_file()]
    assert len(files) == 9
    for file in files:
        assert (tmp_path / "1" / file).read_bytes() == (tmp_path / "2" / file).read_bytes()


def test_stores_are_the_same_whatever_a_process_tokenised_before(tmp_path, monkeypatch, spread_out):
    """Words that are cut by another method in one process than in another: see hbt_jax/models/word_cache.py."""
    monkeypatch.setattr(module, "_BATCH", 100)
    monkeypatch.setattr(word_cache, "_AT_ONCE", 1)
    words = hostile_words(3, 600)
    records = [
        {"id": str(n), "language": "en", "text": f"{word} {other}"}
        for n, (word, other) in enumerate(itertools.pairwise(words))
    ]
    pairs = [{"query": str(n), "passage": str(n - 1), "group": str(n), "negatives": []} for n in range(1, len(records))]
    tables = {"queries": records, "passages": records[::-1], "pairs": pairs}
    folder, stores = make_tokenizers.xlm_r(tmp_path / "tokenizer"), []
    for many, workers in ((1 << 17, 1), (1, 1), (250, 1), (250, 2)):  # the other processes have the constant as it is
        monkeypatch.setattr(word_cache, "_MANY", many)
        stores.append(tmp_path / f"{many} {workers}")
        build_store("made", "train", "raw", stores[-1], folder, records=tables.__getitem__, workers=workers)
    files = [path.relative_to(stores[0]) for path in stores[0].rglob("*") if path.is_file()]
    assert len(files) > 5
    for file in files:
        assert len({(store / file).read_bytes() for store in stores}) == 1, file


def test_batches_come_back_in_order(tokenizer_folder):  # noqa: F811
    with Encoders(load_tokenizer(tokenizer_folder), Filters(), 2) as encoders:
        found = list(encoders.map(size, ({"n": number} for number in range(20))))
    assert [batch["n"] for batch, _ in found] == [number for _, (number, _) in found] == list(range(20))
    processes = {process for _, (_, process) in found}
    assert len(processes) == 2 and os.getpid() not in processes


def blocked(columns, tokenizer, filters):
    return signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, set())


def test_ctrl_c_is_left_to_the_process_that_started_them(tokenizer_folder):  # noqa: F811
    with Encoders(load_tokenizer(tokenizer_folder), Filters(), 2) as encoders:
        assert [found for _, found in encoders.map(blocked, [{}, {}])] == [True, True]
    assert not blocked(None, None, None)


def test_a_process_that_dies_is_an_error(tokenizer_folder):  # noqa: F811
    message = "one of 2 tokenising processes ended unexpectedly, .*with fewer --workers"
    with Encoders(load_tokenizer(tokenizer_folder), Filters(), 2) as encoders, pytest.raises(InputError, match=message):
        list(encoders.map(end, [{}, {}]))


def test_a_wrong_record_is_named_by_a_process_too(tmp_path, tokenizer_folder, spread_out):  # noqa: F811
    wrong = [*QUERIES, {"id": "q9", "language": "xx", "text": "?"}]
    with pytest.raises(InputError, match="queries: record 'q9' has the unknown language 'xx'"):
        build(tmp_path / "store", tokenizer_folder, queries=wrong, workers=2)
    assert list(tmp_path.iterdir()) == []
    wrong = [*QUERIES, {"id": "q9", "language": "nob", "text": "?"}]
    with pytest.raises(
        InputError, match="queries: record 'q9' has the unknown language 'nob': write no, its code here$"
    ):
        build(tmp_path / "store", tokenizer_folder, queries=wrong)


def test_processes_end_with_the_one_that_started_them(tmp_path, tokenizer_folder):  # noqa: F811
    script = tmp_path / "main.py"
    script.write_text(
        "import os, signal, sys\n"
        "from data_prep.store.encoding import Encoders\n"
        "from data_prep.store.filters import Filters\n"
        "from hbt_jax.models.tokenizer import load_tokenizer\n"
        "from tests.data_prep.store.test_encoding import size\n"
        "if __name__ == '__main__':\n"
        f"    encoders = Encoders(load_tokenizer({str(tokenizer_folder)!r}), Filters(), 2)\n"
        "    found = encoders.map(size, ({'n': number} for number in range(10)))\n"
        "    print(*{process for _, (_, process) in found}, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, timeout=120)
    processes = [int(word) for word in done.stdout.split()]
    assert processes, done.stderr
    deadline = time.monotonic() + 30
    while any(map(alive, processes)):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def alive(process):
    try:
        with open(f"/proc/{process}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
