#!/usr/bin/env python3
"""Compares an evaluation of XQuAD-R and MLQA-R with pytrec_eval, and with sentence-transformers and numpy.

    python tests/benchmarks/agreement.py --model=FOLDER --data_dir=DIR --out=DIR [--benchmarks=xquad-r,mlqa-r]

DIR/xquad-r and DIR/mlqa-r hold the official files, FOLDER a model that both packages load.  Every mAP, R_cap@1 and
R_cap@10 of results.json (of each query language, of each pair of languages, and their averages) is compared with

- pytrec_eval's numbers for the written TREC files, whose runs are written whole (--run_depth=0): to 1e-6.  trec_eval's
  recall divides by all relevant candidates, so R@k is taken from its P@k: k * P@k / min(k, relevant candidates).
- a ranking by numpy of the embeddings of sentence-transformers: to 1e-3.  This file reads the benchmark's files, draws
  the pools and sorts the scores by itself; it uses nothing of hbt_jax.

Writes OUT/agreement.md, the table that is printed; exits with code 1 if a number differs by more.  Whole runs take
disk space, 18 GB for XQuAD-R, which is freed again.
"""

import collections
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator

import numpy as np
from absl import flags

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

SETTINGS = ("monolingual", "cross_lingual", "multilingual")
METRICS = ("map", "recall@1", "recall@10")
_DISTANCE = "rank_distance"
_BOUNDS = {"pytrec_eval": 1e-6, "numpy": 1e-3}
_QUERIES_AT_A_TIME = 256

Values = dict[tuple[str, str], dict[str, float]]  # (setting, query language or pair) -> metric -> mean over queries


def by_hbt_jax(folder: pathlib.Path) -> Values:
    """What results.json says."""
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    found = {("cross_lingual", pair): block for pair, block in results["by_pair"].items()}
    for code, blocks in results["by_query_language"].items():
        found |= {(setting, code): blocks[setting] for setting in ("monolingual", "multilingual")}
    for setting in SETTINGS:
        found[setting, "mean"] = results["metrics"][setting]
    return found


def averaged(per_query: dict[tuple[str, str], list[tuple[float, ...]]], names: tuple[str, ...]) -> Values:
    """Means over queries, and for each setting the mean of those."""
    found = {
        key: dict(zip(names, np.mean(rows, axis=0).tolist(), strict=False)) for key, rows in sorted(per_query.items())
    }
    for setting in SETTINGS:
        blocks = [block for (of, _), block in found.items() if of == setting]
        found[setting, "mean"] = {name: float(np.mean([block[name] for block in blocks])) for name in blocks[0]}
    return found


def by_pytrec_eval(folder: pathlib.Path) -> Values:
    """What pytrec_eval says of the TREC files in the folder of one benchmark."""
    per_query = collections.defaultdict(list)
    for run in sorted((folder / "runs").glob("*.trec")):
        setting, _, other = run.stem.partition("-")
        judgements = read_qrels(folder / "qrels.trec" if setting == "multilingual" else run.with_suffix(".qrels"))
        for query, row in measured(run, judgements):
            code = query.rpartition(":")[2]
            per_query[setting, f"{code}-{other}" if other else code].append(row)
    return averaged(per_query, METRICS)


def measured(run: pathlib.Path, judgements: dict[str, dict[str, int]]) -> Iterator[tuple[str, tuple[float, ...]]]:
    """Yields each query of a run with its average precision, R_cap@1 and R_cap@10 by pytrec_eval."""
    import pytrec_eval

    evaluator = pytrec_eval.RelevanceEvaluator(judgements, {"map", "P.1,10"})
    for query, scores in read_run(run):
        found = evaluator.evaluate({query: scores})[query]
        relevant = len(judgements[query])
        yield query, (found["map"], found["P_1"], 10 * found["P_10"] / min(10, relevant))


def read_qrels(path: pathlib.Path) -> dict[str, dict[str, int]]:
    """Query id -> candidate id -> relevance."""
    judgements = collections.defaultdict(dict)
    for line in path.read_text(encoding="utf-8").splitlines():
        query, _, candidate, grade = line.split()
        judgements[query][candidate] = int(grade)
    return dict(judgements)


def read_run(path: pathlib.Path) -> Iterator[tuple[str, dict[str, float]]]:
    """Yields each query with the scores of its candidates; a query's lines follow each other."""
    current, scores = None, {}
    with path.open(encoding="utf-8") as file:
        for line in file:
            query, _, candidate, _, score, _ = line.split()
            if query != current:
                if scores:
                    yield current, scores
                current, scores = query, {}
            scores[candidate] = float(score)
    yield current, scores


def read_texts(folder: pathlib.Path) -> tuple[list[tuple[str, str, str]], list[tuple[str, str, str]], dict]:
    """Queries (language, question id, text), candidates (language, id, text), and question id -> relevant indexes."""
    queries, candidates, relevant = [], [], collections.defaultdict(set)
    for file in sorted(folder.glob("*.json")):
        code, number = file.stem, 0
        for article in json.loads(file.read_text(encoding="utf-8"))["data"]:
            for paragraph in article["paragraphs"]:
                number += 1
                for question in paragraph["qas"]:
                    start = question["answers"][0]["answer_start"]
                    gold = [s for s, (a, b) in enumerate(paragraph["sentence_breaks"]) if a <= start < b]
                    relevant[question["id"]].add(len(candidates) + gold[0])
                    queries.append((code, question["id"], question["question"]))
                sentences = enumerate(paragraph["sentences"])
                candidates += [(code, f"{code}:p{number}:s{position}", text) for position, text in sentences]
    return queries, candidates, relevant


def by_numpy(folder: pathlib.Path, model: str, scratch: pathlib.Path) -> Values:
    """Ranks the embeddings of sentence-transformers, which a process of its own makes."""
    queries, candidates, relevant = read_texts(folder)
    vectors = []
    for side, rows in (("query", queries), ("passage", candidates)):
        (scratch / "texts.json").write_text(json.dumps([text for _, _, text in rows]), encoding="utf-8")
        child = [sys.executable, __file__, f"--model={model}", f"--embed={side}", f"--out={scratch}"]
        subprocess.run(child, check=True)
        vectors.append(np.load(scratch / "vectors.npy").astype(np.float64))
    place_N = np.empty(len(candidates), np.int64)  # among all, by id descending: the order of equal scores
    place_N[sorted(range(len(candidates)), key=lambda n: candidates[n][1], reverse=True)] = np.arange(len(candidates))
    language_N = np.array([code for code, _, _ in candidates])
    per_query, distances = collections.defaultdict(list), collections.defaultdict(list)
    for start in range(0, len(queries), _QUERIES_AT_A_TIME):
        score_qN = vectors[0][start : start + _QUERIES_AT_A_TIME] @ vectors[1].T
        for (code, question, _), score_N in zip(queries[start:], score_qN, strict=False):
            order_N = np.lexsort((place_N, -score_N))
            wanted = np.isin(order_N, sorted(relevant[question]))
            code_N = language_N[order_N]
            ranks = np.flatnonzero(wanted)
            per_query["multilingual", code].append(measures(wanted))
            distances[code].append(ranks[-1] - ranks[0])
            for other in sorted(set(code_N[ranks])):
                key = ("monolingual", code) if other == code else ("cross_lingual", f"{code}-{other}")
                per_query[key].append(measures(wanted[code_N == other]))
    found = averaged(per_query, METRICS)
    found["multilingual", "mean"][_DISTANCE] = float(np.mean([np.mean(rows) for rows in distances.values()]))
    return found


def measures(wanted_N: np.ndarray) -> tuple[float, ...]:
    """Average precision, R_cap@1 and R_cap@10 of one ranking: whether each candidate in its order is relevant."""
    ranks = np.flatnonzero(wanted_N) + 1
    precision = np.arange(1, len(ranks) + 1) / ranks
    return (precision.mean(), *((ranks <= k).sum() / min(k, len(ranks)) for k in (1, 10)))


def embed(model: str, side: str, scratch: pathlib.Path) -> None:
    """Writes the vectors of scratch/texts.json, by sentence-transformers, with the model's prompt of that side."""
    from sentence_transformers import SentenceTransformer

    texts = json.loads((scratch / "texts.json").read_text(encoding="utf-8"))
    encoder = SentenceTransformer(model)
    # encode_document takes its own empty prompt "document" where a folder names its prompt "passage"
    names = ("query",) if side == "query" else ("document", "passage", "corpus")
    prompt = next((encoder.prompts[name] for name in names if encoder.prompts.get(name)), "")
    vectors = encoder.encode(texts, prompt=prompt, normalize_embeddings=True, show_progress_bar=False)
    np.save(scratch / "vectors.npy", vectors)


def largest(ours: Values, theirs: Values, metrics: Iterable[str]) -> tuple[float, int, str]:
    """The largest difference, how many numbers were compared, and where the largest is."""
    if ours.keys() != theirs.keys():
        raise SystemExit(f"only one of two has {sorted(ours.keys() ^ theirs.keys())[:5]}")
    gaps = {(*key, metric): abs(ours[key][metric] - theirs[key][metric]) for key in ours for metric in metrics}
    worst = max(gaps, key=gaps.get)
    return gaps[worst], len(gaps), " ".join(worst)


def compared(name: str, given) -> tuple[list[str], list[str]]:
    """The lines of the table on one benchmark, and what is too far apart."""
    out = pathlib.Path(given.out)
    command = [sys.executable, str(ROOT / "launch" / "eval.py"), f"--model={given.model}", f"--benchmarks={name}"]
    command += [f"--data_dir={given.data_dir}", f"--out={out}", "--run_depth=0", "--cross_lingual_runs"]
    subprocess.run(command, check=True)
    with tempfile.TemporaryDirectory() as scratch:
        others = {
            "pytrec_eval": by_pytrec_eval(out / name),
            "numpy": by_numpy(pathlib.Path(given.data_dir) / name, given.model, pathlib.Path(scratch)),
        }
    shutil.rmtree(out / name / "runs")
    ours, lines, apart = by_hbt_jax(out / name), [], []
    for setting in SETTINGS:
        blocks = [found[setting, "mean"] for found in (ours, *others.values())]
        cells = [f"{block[metric]:.6f}" for metric in METRICS for block in blocks]
        lines.append(f"| {name} | {setting.replace('_', '-')} | {' | '.join(cells)} |")
    for who, found in others.items():
        gap, count, where = largest(ours, found, METRICS)
        lines.append(f"\n{name}: {count:,} numbers, {who} differs by at most {gap:.1e} ({where})")
        if not gap <= _BOUNDS[who]:
            apart.append(f"{name}: {who} differs by {gap:.1e} at {where}, more than {_BOUNDS[who]:.0e}")
    distances = [found["multilingual", "mean"][_DISTANCE] for found in (ours, others["numpy"])]
    lines.append(f"\n{name}: rank distance {distances[0]:.3f}, by numpy {distances[1]:.3f}\n")
    return lines, apart


def main(_: list[str]) -> None:
    """Compares every benchmark, or embeds for the process that does."""
    from hbt_jax.flags import require

    given = flags.FLAGS
    require(["model", "out"])
    if given.embed:
        embed(given.model, given.embed, pathlib.Path(given.out))
        return
    require(["data_dir"])
    heads = [
        f"{label}, {who}" for label in ("mAP", "R_cap@1", "R_cap@10") for who in ("hbt_jax", "pytrec_eval", "numpy")
    ]
    lines, apart = [f"| benchmark | setting | {' | '.join(heads)} |", "|" + "---|" * (2 + len(heads))], []
    for name in given.benchmarks:
        more, wrong = compared(name, given)
        lines, apart = lines + more, apart + wrong
    lines = [line for line in lines if line.startswith("|")] + [line for line in lines if not line.startswith("|")]
    print("\n".join(lines))
    (pathlib.Path(given.out) / "agreement.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    if apart:
        sys.exit("\n".join(apart))


if __name__ == "__main__":
    from hbt_jax.flags import run_command

    flags.DEFINE_string("model", "", "folder of a model that sentence-transformers loads too")
    flags.DEFINE_string("data_dir", "", "folder with one folder a benchmark")
    flags.DEFINE_string("out", "", "folder for results.json and agreement.md")
    flags.DEFINE_list("benchmarks", ["xquad-r", "mlqa-r"], "which of the two to compare")
    flags.DEFINE_enum("embed", None, ["query", "passage"], "set by the program for its child processes")
    run_command(main)
