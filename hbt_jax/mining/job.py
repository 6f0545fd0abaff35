"""What launch/mine.py does once its flags are checked: embeds, searches, chooses and writes; resumes after a break.

OUT/NAME.mining/            removed when OUT/NAME is complete
  job.json                  what was asked for; another job is refused
  SIDE-LANGUAGE.f32         vectors, see embedded.py
  negatives.i32, scores.f32 passage rows [pairs, per_pair], -1 for none, and their scores
  positives.f32             the score of each pair's passage
  progress.json             queries done, and the counts so far
"""

import contextlib
import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np
from tqdm import tqdm

from hbt_jax import json_text
from hbt_jax.config.mine import MineConfig
from hbt_jax.data.store import Store, open_store, store_tokenizer
from hbt_jax.data.store_writer import StoreWriter
from hbt_jax.data.text_vectors import Vectors
from hbt_jax.errors import InputError, Interrupted
from hbt_jax.evaluation.embedding.embed import Embedder
from hbt_jax.files import atomic_file, disk_errors
from hbt_jax.holding import held
from hbt_jax.languages import same_language
from hbt_jax.mesh import keep_compiled, make_mesh
from hbt_jax.mining.choose import NegativeRule
from hbt_jax.mining.cross_encoder import CrossEncoder
from hbt_jax.mining.embedded import embedded
from hbt_jax.mining.found import OTHER, FoundNegatives, Searched, negatives_of, texts_of
from hbt_jax.mining.guide import digest_of
from hbt_jax.mining.report import Tally, lines
from hbt_jax.mining.with_negatives import own_negatives, write_with_negatives
from hbt_jax.models.model import Model
from hbt_jax.models.tokenizer import Tokenizer, load_tokenizer
from hbt_jax.training.load import load_as_asked
from hbt_jax.training.preemption import StopRequest

QUERIES = 2048  # whose pairs are done before progress is noted
_SAMPLES = 5
_NO_RESULT = ("stores", "out", "eval_batch", "mesh_data", "compilation_cache_dir", "cross_encoder_batch", "model")


def mine_command(config: MineConfig, stop: StopRequest) -> None:
    """Mines every store of --stores into --out.

    Raises:
      InputError: a store, a flag or the model is wrong, OUT/NAME exists, or OUT/NAME.mining belongs to another job.
      Interrupted: a signal came; what is done is kept.
    """
    names = [Path(store).resolve().name for store in config.stores]
    if len(set(names)) < len(names):
        raise InputError(
            f"--stores={','.join(config.stores)}: two folders have the same name, but --out needs different names"
        )
    for name in names:
        if (Path(config.out) / name).exists():
            raise InputError(f"{Path(config.out) / name} already exists: remove it, or name another --out")
    stores = [open_store(store) for store in config.stores]
    _check_languages(config, stores)
    keep_compiled(config.compilation_cache_dir)
    devices = jax.devices()
    if config.mesh_data > len(devices):
        raise InputError(f"--mesh_data={config.mesh_data}: there are only {len(devices)} devices; 0 takes all")
    mesh = make_mesh(0, 1, devices[: config.mesh_data or None])
    scorer = CrossEncoder(config.cross_encoder, config.cross_encoder_batch) if config.cross_encoder else None
    model = load_as_asked(config, config.checkpoint, mesh)
    for note in model.lines():
        print(note, flush=True)

    def poll() -> None:
        if stop.requested:
            raise Interrupted(f"finished work is kept in {config.out}; run the same command again to resume")

    embedder = Embedder(model, mesh, texts_per_device=config.eval_batch, poll=poll, shown=False)
    for name, store in zip(names, stores, strict=True):
        _mine(config, store, Path(config.out) / name, embedder, scorer, poll)


def _check_languages(config: MineConfig, stores: list[Store]) -> None:
    known = {code for store in stores for code in store.languages}
    unknown = [code for code in config.query_languages if code not in known]
    for code in unknown:
        if same := same_language(code, sorted(known)):
            raise InputError(f"--query_languages: no store has {code}: write {' or '.join(same)}, as the stores do")
    if unknown:
        raise InputError(
            f"--query_languages: no store has {', '.join(unknown)}: expected some of {', '.join(sorted(known))}"
        )
    for store in stores:
        if config.negative_languages == OTHER and len(store.languages) == 1:
            raise InputError(
                f"--negative_languages=other: store {store.path} has texts in {store.languages[0]} alone: leave the"
                " flag out, or name stores of several languages"
            )


def _mine(
    config: MineConfig,
    store: Store,
    out: Path,
    embedder: Embedder,
    scorer: CrossEncoder | None,
    poll: Callable[[], None],
) -> None:
    work = out.with_name(out.name + ".mining")
    with held(work, "--out"):
        record = _record(config, store, embedder.model)
        _check_job(work, record)
        tokenizer = load_tokenizer(store_tokenizer(store.path))
        searched = _searched(config, store, tokenizer, embedder, scorer, work)
        rule = NegativeRule(
            config.first_rank,
            config.last_rank,
            config.absolute_margin,
            config.relative_margin,
            config.per_pair,
            config.take,
            config.seed,
        )
        results = _Results(work, len(store.pairs), config.per_pair)
        results.fill(searched, rule, poll)
        had = len(store.pairs.negative_rows)
        results.tally.count(**({"kept": had} if config.keep_negatives else {"replaced": had}))
        if store.pairs.score_A is not None or store.pairs.negative_scores is not None:
            results.tally.count(unscored=len(store.pairs))
        report = _report(searched, results)
        with StoreWriter(out, "--out") as writer:
            with disk_errors(writer.partial, "--out"):
                _write_json(writer.partial / "mining.json", report)
            manifest = write_with_negatives(writer, store, tokenizer, _negatives(config, store, results), record)
        shutil.rmtree(work)
    score = record["score"]
    print(f"{out}: {manifest['pairs']['rows']:,} pairs, {manifest['pairs']['with_negatives']:,} with negatives")
    print("\n".join(lines(results.tally, score, report["samples"])), flush=True)


def _record(config: MineConfig, store: Store, model: Model) -> dict:
    """What the result depends on."""
    options = {name: value for name, value in dataclasses.asdict(config).items() if name not in _NO_RESULT}
    text = dataclasses.asdict(model.text)
    return {
        "from": store.fingerprint,
        "model": model.name,
        "weights": digest_of(model),
        "score": f"of {config.cross_encoder}" if config.cross_encoder else model.similarity,
        "texts": {name: text[name] for name in ("query_prefix", "passage_prefix", "query_length", "passage_length")},
        "options": json.loads(json.dumps(options)),
    }


def _check_job(work: Path, record: dict) -> None:
    """Notes the job; raises InputError if the folder holds another one."""
    file = work / "job.json"
    if not file.exists():
        _write_json(file, record)
    before = _read_json(file)
    if before != record:
        try:
            flat = [{**one, **one["options"], **one["texts"]} for one in (before, record)]
        except (KeyError, TypeError) as error:
            raise _damaged(file, error) from error
        names = [name for name in flat[1] if flat[0].get(name) != flat[1][name] and name not in ("options", "texts")]
        raise InputError(
            f"{work} holds the progress of a job with different values of {', '.join(names)}: give the same flags, or"
            " remove the folder"
        )


def _read_json(file: Path) -> dict:
    try:
        return json_text.read(file)
    except json_text.NotJson as error:
        raise _damaged(file, error) from error


def _damaged(file: Path, error: Exception) -> InputError:
    return InputError(f"{file}: not what a job writes ({error}): remove the folder {file.parent}, and start again")


def _write_json(path: Path, value: dict) -> None:
    with atomic_file(str(path)) as file:
        file.write((json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode())


def _searched(
    config: MineConfig,
    store: Store,
    tokenizer: Tokenizer,
    embedder: Embedder,
    scorer: CrossEncoder | None,
    work: Path,
) -> Searched:
    """Embeds the texts, or maps their files."""
    asked = [code for code in store.languages if code in config.query_languages or not config.query_languages]
    wanted = [("queries", "query", code) for code in asked]
    wanted += [("passages", "passage", code) for code in store.languages]
    found: dict[str, dict[int, Vectors]] = {"queries": {}, "passages": {}}
    for side, form, code in tqdm(wanted, desc="embedding", unit=" languages", disable=None):
        texts = getattr(store, side).tokens[code]
        path = work / f"{side}-{code}.f32"
        found[side][store.languages.index(code)] = embedded(embedder, texts, form, tokenizer, path)
    return Searched(store, tokenizer, found["queries"], found["passages"], config.negative_languages, scorer)


class _Results:
    """The negatives of all pairs in mapped files, with what is done noted after every few thousand queries."""

    def __init__(self, work: Path, pairs: int, most: int):
        self._progress = work / "progress.json"
        self.done, self.tally = 0, Tally()
        if self._progress.exists():
            state = _read_json(self._progress)
            try:
                self.done, self.tally = state["queries"], Tally(**state["tally"])
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise _damaged(self._progress, error) from error
        with disk_errors(work, "--out", "what is done is kept"):
            self.row_AK = _mapped(work / "negatives.i32", np.int32, (pairs, most))
            self.score_AK = _mapped(work / "scores.f32", np.float32, (pairs, most))
            self.positive_A = _mapped(work / "positives.f32", np.float32, (pairs,))

    def fill(self, searched: Searched, rule: NegativeRule, poll: Callable[[], None]) -> None:
        """Searches for the queries that are left."""
        query_A = searched.store.pairs.query_A
        order = np.argsort(query_A, kind="stable")
        starts = np.flatnonzero(np.concatenate([[True], np.diff(query_A[order]) != 0])[: len(order)])
        ends = np.append(starts, len(order))
        bar = tqdm(total=len(starts), initial=self.done, desc="searching", unit=" queries", disable=None)
        with contextlib.closing(bar):
            while self.done < len(starts):
                last = min(self.done + QUERIES, len(starts))
                self._add(negatives_of(searched, order[ends[self.done] : ends[last]], rule, poll), searched, rule)
                bar.update(last - self.done)
                self.done = last
                self._note()

    def _add(self, found: FoundNegatives, searched: Searched, rule: NegativeRule) -> None:
        chosen, pairs = found.chosen, found.pairs
        row_nK = np.full((len(pairs), rule.most), -1, np.int32)
        score_nK = np.zeros((len(pairs), rule.most), np.float32)
        place = np.arange(len(chosen.pair_Y)) - np.searchsorted(chosen.pair_Y, chosen.pair_Y)
        row_nK[chosen.pair_Y, place], score_nK[chosen.pair_Y, place] = chosen.row_Y, chosen.score_Y
        self.row_AK[pairs], self.score_AK[pairs], self.positive_A[pairs] = row_nK, score_nK, found.positive_n
        counts = (row_nK >= 0).sum(axis=1)
        full, without = (counts == rule.most).sum(), (counts == 0).sum()
        self.tally.count(pairs=len(pairs), full=full, partly=len(pairs) - full - without, without=without)
        self.tally.count(negatives=counts.sum(), answering=found.answering, above=chosen.above)
        self.tally.count(outside=chosen.outside, spare=chosen.spare)
        self.tally.found(list(searched.store.languages), chosen.language_Y)
        self.tally.scored("positive", found.positive_n[found.positive_n > -np.inf])
        self.tally.scored("negative", chosen.score_Y)

    def _note(self) -> None:
        for array in (self.row_AK, self.score_AK, self.positive_A):
            array.flush()
        _write_json(self._progress, {"queries": self.done, "tally": dataclasses.asdict(self.tally)})


def _mapped(path: Path, dtype: type, shape: tuple[int, ...]) -> np.memmap:
    return np.memmap(path, dtype, mode="r+" if path.exists() else "w+", shape=shape)


def _negatives(config: MineConfig, store: Store, results: _Results) -> Callable:
    """What `write_with_negatives` asks for."""
    unscored = int((results.positive_A == -np.inf).sum())
    if config.cross_encoder and unscored:
        print(
            f"note: no teacher scores are written: {unscored:,} pairs have no query in --query_languages,"
            " and a store has scores of all pairs or of none"
        )

    def of(pairs: slice) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
        found_nK = np.array(results.row_AK[pairs])
        is_there_nK, scores = found_nK >= 0, {}
        if config.cross_encoder and not unscored:
            scores = {"score": results.positive_A[pairs], "negative_scores": results.score_AK[pairs][is_there_nK]}
        if not config.keep_negatives:
            return found_nK[is_there_nK].astype(np.int64), is_there_nK.sum(axis=1), scores
        rows, counts = own_negatives(store, pairs)
        number = np.concatenate([np.repeat(np.arange(len(counts)), counts), np.nonzero(is_there_nK)[0]])
        rows = np.concatenate([rows, found_nK[is_there_nK]])
        order = np.argsort(number, kind="stable")
        number, rows = number[order], rows[order]
        first = np.unique(np.stack([number, rows]), axis=1, return_index=True)[1]
        kept = np.sort(first)
        return rows[kept], np.bincount(number[kept], minlength=len(counts)), scores

    return of


def _report(searched: Searched, results: _Results) -> dict:
    """The counts, and evenly spaced pairs with their negatives, each in the language in which it scored."""
    pairs = len(searched.store.pairs)
    chosen = [number * pairs // _SAMPLES for number in range(min(_SAMPLES, pairs))]
    return dataclasses.asdict(results.tally) | {"samples": [_sample(searched, results, pair) for pair in chosen]}


def _sample(searched: Searched, results: _Results, pair: int) -> dict:
    store = searched.store
    rows = results.row_AK[pair][results.row_AK[pair] >= 0].astype(np.int64)
    scores = results.score_AK[pair][: len(rows)].tolist()
    own = int(store.pairs.passage_A[pair])
    negatives = [
        {**_shown(searched, "passages", row), "score": score} for row, score in zip(rows.tolist(), scores, strict=True)
    ]
    positive = float(results.positive_A[pair])
    passage = _shown(searched, "passages", own) | ({"score": positive} if np.isfinite(positive) else {})
    query = _shown(searched, "queries", int(store.pairs.query_A[pair]))
    return {"pair": pair, "query": query, "passage": passage, "negatives": negatives}


def _shown(searched: Searched, side: str, row: int) -> dict:
    """A text of an item: in English if there is one, for most readers, or in its first language."""
    store = searched.store
    tokens = getattr(store, side).tokens
    codes = [code for code in store.languages if tokens[code].offsets[row + 1] > tokens[code].offsets[row]]
    code = "en" if "en" in codes else codes[0]
    text = texts_of(store, searched.tokenizer, side, np.array([row]), [store.languages.index(code)])[0]
    return {"language": code, "text": text}
