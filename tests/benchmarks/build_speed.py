#!/usr/bin/env python3
"""How fast data_prep/build_store.py turns text into a store, and in how much memory.

    pip install -e '.[speed]'
    python tests/benchmarks/build_speed.py --tokenizer=FOLDER [--megabytes=300] [--workers=2]

The texts are synthetic.  The words of mMARCO's 14 languages are drawn with the frequencies that the library wordfreq
gives them, and the digits of numbers are random.  The 1 to 4% of words that are rarer than any that it lists are
imitated by joining two of its words.  Words form sentences, and sentences form passages of about 340 characters (115 in
Chinese and Japanese, which have no spaces); a row has a passage in every language.  So words repeat, and new words
appear, as often as in real text of that size.

The source is prepared once in a temporary folder; then each build runs in a separate process: one build with a single
process, one with --workers.  Prints megabytes of raw UTF-8 text per second, from the first record to the finished
store, and per CPU second of all processes together; their peak anonymous memory; and the CPU time of the main process,
which reads and writes and so limits how many others it can feed.  The CPU rate and this limit give the time for mMARCO
(14 languages of 8,841,823 passages, taken as 52 GB of text) on 96 cores.  For comparison, the library tokenizers alone
tokenises the first 10 MB of the same texts on one core, once before and once after the builds.
"""

import json
import os
import pathlib
import re
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator

import numpy as np
import tokenizers
import wordfreq
from absl import flags

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from data_prep import build_store  # noqa: E402
from data_prep.sources import registry  # noqa: E402
from hbt_jax.flags import require, run_command  # noqa: E402

_LANGUAGES = ("ar", "de", "en", "es", "fr", "hi", "id", "it", "ja", "nl", "pt", "ru", "vi", "zh")
_WITHOUT_SPACES = ("ja", "zh")
_COMPARED_MB = 10
_CHARACTERS = 340  # of a passage
_COMMAS = 0.06  # of the words have one after them
_DIGIT = re.compile("0")  # wordfreq writes 0 for each digit of a number
_MMARCO_MB, _CORES = 52_000, 96
_PAGE = os.sysconf("SC_PAGE_SIZE")


def texts(code: str, seed: int) -> Iterator[str]:
    """Yields endless passages whose words are as frequent as they are in a language."""
    draw = np.random.default_rng(seed)
    frequencies = wordfreq.get_frequency_dict(code, wordlist="best")
    words, edges = list(frequencies), np.cumsum(list(frequencies.values()))
    space, comma, stop = ("", "\uff0c", "\u3002") if code in _WITHOUT_SPACES else (" ", ",", ".")
    length = _CHARACTERS // 3 if code in _WITHOUT_SPACES else _CHARACTERS
    text = ""
    while True:
        numbers = np.searchsorted(edges, draw.random(draw.integers(5, 25))).tolist()
        chosen = [words[n] if n < len(words) else "".join(words[k] for k in draw.integers(len(words), size=2))
                  for n in numbers]  # fmt: skip
        commas = draw.random(len(numbers)) < _COMMAS
        sentence = space.join(
            _DIGIT.sub(lambda _: str(draw.integers(10)), word) + comma * bool(after)
            for word, after in zip(chosen, commas, strict=True)
        )
        text += text and space
        text += sentence[0].upper() + sentence[1:].removesuffix(comma) + stop
        if len(text) >= length:
            yield text[:length]
            text = ""


def write_source(folder: pathlib.Path, megabytes: float) -> None:
    """Writes train.jsonl with that much text in its passages; the query of each is the beginning of it."""
    folder.mkdir()
    drawn = {code: texts(code, seed) for seed, code in enumerate(_LANGUAGES)}
    written = 0
    with (folder / "train.jsonl").open("w", encoding="utf-8") as file:
        while True:
            item = {code: next(own) for code, own in drawn.items()}
            query = {code: text[:40] for code, text in item.items()}
            file.write(json.dumps({"query": query, "passage": item}, ensure_ascii=False) + "\n")
            written += sum(len(text.encode()) for text in (*item.values(), *query.values()))
            if written >= 1e6 * megabytes:
                return


def measured(folder: pathlib.Path, tokenizer: str, workers: int) -> dict[str, float]:
    """Builds the store in this process and says what it took."""
    settings = {"input_dir": folder / "in"}
    size = sum(
        len(record["text"].encode())
        for table in ("queries", "passages")
        for record in registry.records("jsonl", table, "train", folder / "raw", **settings)
    )
    most, done = [0], threading.Event()
    watcher = threading.Thread(target=_watch, args=(most, done), daemon=True)
    watcher.start()
    before, start = _core_seconds(), time.monotonic()
    build_store.build_store(
        "jsonl", "train", folder / "raw", folder / f"store-{workers}", tokenizer, workers=workers, **settings
    )
    seconds = time.monotonic() - start
    own, others = (after - earlier for after, earlier in zip(_core_seconds(), before, strict=True))
    done.set()
    watcher.join()
    return {
        "megabytes": size / 1e6, "seconds": seconds, "own_seconds": own, "core_seconds": own + others,
        "most_bytes": most[0],
    }  # fmt: skip


def _core_seconds() -> tuple[float, float]:
    """CPU seconds of this process, and of the processes that it started and that have ended."""
    both = [resource.getrusage(which) for which in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return tuple(one.ru_utime + one.ru_stime for one in both)


def library(folder: pathlib.Path, tokenizer: str) -> dict[str, float]:
    """Has the library tokenizers tokenise texts of the source in this process and says what it took."""
    texts, size = [], 0
    with (folder / "in" / "train.jsonl").open(encoding="utf-8") as file:
        for line in file:
            texts += json.loads(line)["passage"].values()
            size += len("".join(texts[-len(_LANGUAGES) :]).encode())
            if size >= 1e6 * _COMPARED_MB:
                break
    backend = tokenizers.Tokenizer.from_file(str(pathlib.Path(tokenizer) / "tokenizer.json"))
    backend.no_truncation()
    backend.no_padding()
    start = time.monotonic()
    for place in range(0, len(texts), 4096):
        for encoding in backend.encode_batch_fast(texts[place : place + 4096], add_special_tokens=False):
            np.array(encoding.ids, np.int32)
    return {"megabytes": size / 1e6, "seconds": time.monotonic() - start}


def _watch(most: list[int], done: threading.Event) -> None:
    while not done.wait(0.1):
        most[0] = max(most[0], sum(map(_anonymous, _tree(os.getpid()))))


def _tree(root: int) -> list[int]:
    parents = {}
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(path.parent.name)] = int(path.read_text(encoding="utf-8").rpartition(")")[2].split()[1])
        except OSError:
            continue  # ended meanwhile
    found = [root]
    for process in found:
        found += [child for child, parent in parents.items() if parent == process]
    return found


def _anonymous(process: int) -> int:
    """Anonymous memory of a process in bytes: resident memory less what is shared, as pages of files are."""
    try:
        _, resident, shared, *_ = pathlib.Path(f"/proc/{process}/statm").read_text(encoding="utf-8").split()
    except OSError:
        return 0
    return (int(resident) - int(shared)) * _PAGE


def main(_: list[str]) -> None:
    """Measures one build when told so, else prepares the source, has both builds measured and prints the figures."""
    given = flags.FLAGS
    if given.measure:
        folder = pathlib.Path(given.measure)
        done = measured(folder, given.tokenizer, given.workers) if given.workers else library(folder, given.tokenizer)
        print(json.dumps(done))
        return
    require(["tokenizer"])
    workers = given.workers or os.cpu_count() or 1
    with tempfile.TemporaryDirectory(prefix="build_speed_") as scratch:
        folder = pathlib.Path(scratch)
        write_source(folder / "in", given.megabytes)
        for table in registry.TABLES:
            registry.builder("jsonl", table, folder / "raw", input_dir=folder / "in")
        per_core, peer = {}, []
        for count in (0, *dict.fromkeys((1, workers)), 0):
            command = [
                sys.executable, __file__, f"--measure={folder}", f"--tokenizer={given.tokenizer}", f"--workers={count}",
            ]  # fmt: skip
            environment = os.environ | ({"TOKENIZERS_PARALLELISM": "false"} if count < 2 else {})
            done = subprocess.run(
                command, check=True, capture_output=True, text=True, encoding="utf-8", env=environment
            )
            found = json.loads(done.stdout.splitlines()[-1])
            rate = found["megabytes"] / found["seconds"]
            if not count:
                peer.append(rate)
                print(f"the library tokenizers alone, one core: {rate:.2f} MB/s")
                continue
            per_core[count], own = found["megabytes"] / found["core_seconds"], found["megabytes"] / found["own_seconds"]
            print(
                f"{count} process{'es' if count > 1 else ''}: {found['megabytes']:,.0f} MB of text in"
                f" {found['seconds']:,.1f} s, {rate:.2f} MB/s, and {per_core[count]:.2f} MB per CPU second; peak"
                f" memory {found['most_bytes'] / 2**30:.2f} GiB; the main process takes"
                f" {found['own_seconds']:,.1f} CPU seconds"
            )
        print(f"one process builds {per_core[1] * len(peer) / sum(peer):.2f} times as fast as the library tokenises")
        ceiling = own if workers > 1 else float("inf")
        rate = min(_CORES * per_core[workers], ceiling)
        print(
            f"mMARCO, {_MMARCO_MB / 1000:,.0f} GB, on {_CORES} cores: {_MMARCO_MB / rate / 60:,.0f} minutes (reading"
            f" and writing: at most {ceiling:,.0f} MB/s; all cores: {_CORES * per_core[workers]:,.0f} MB/s)"
        )


if __name__ == "__main__":
    flags.DEFINE_string("tokenizer", "", "as for build_store.py")
    flags.DEFINE_float("megabytes", 300, "raw text of the source", lower_bound=1)
    flags.DEFINE_integer("workers", 0, "processes of the second build; 0: one a core", lower_bound=0)
    flags.DEFINE_string("measure", "", "used by the script itself: folder of a prepared source to measure one build of")
    run_command(main)
