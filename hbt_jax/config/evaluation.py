"""The options of launch/eval.py."""

import dataclasses
from typing import ClassVar

from hbt_jax.config.option import Part, option
from hbt_jax.config.shared import (
    Benchmarks,
    Compression,
    Embedding,
    LanguageRemoval,
    SavedModel,
    check_languages,
    under_resourced_option,
)
from hbt_jax.config.values import CANDIDATE_TEXTS, CONCAT, EXPANSION_COMBINATIONS, FUSIONS, SENTENCE_MODEL, STREAMED
from hbt_jax.errors import InputError


@dataclasses.dataclass(frozen=True)
class OtherSystem(Part):
    """A system that is evaluated instead of a model of this package."""

    title: ClassVar[str] = "Other systems, instead of --model"

    run: tuple = option((), "TREC runs of another system, one for each of --benchmarks, comma-separated")
    embeddings: tuple = option(
        (),
        "vectors of another system: QUERIES.npy,CANDIDATES.npy, float [texts, D], rows in the order of --write_texts,"
        " or named by X.ids beside X.npy, one id per line; --normalize scales them to unit length",
    )
    write_texts: bool = option(
        False, "write the texts of --benchmarks into OUT, in the row order that --embeddings expects, and exit"
    )

    def __post_init__(self):
        super().__post_init__()
        if self.embeddings and len(self.embeddings) != 2:
            raise InputError(
                f"--embeddings={','.join(self.embeddings)}: expected two files, QUERIES.npy,CANDIDATES.npy"
            )

    @property
    def other(self) -> tuple[str, ...]:
        """The options with a value that need no model of this package, written as flags."""
        given = {"run": ",".join(self.run), "embeddings": ",".join(self.embeddings)}
        return (*(f"--{name}={value}" for name, value in given.items() if value), *["--write_texts"] * self.write_texts)


_WITH_MTEB = {  # options of an evaluation that tasks of mteb go by
    "mteb_tasks", "model", "checkpoint", "out", "query_prefix", "passage_prefix", "max_length", "pooling", "normalize",
    "compute_dtype", "eval_batch", "compilation_cache_dir",
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class EvalConfig(Embedding, Compression, Benchmarks, LanguageRemoval, OtherSystem, SavedModel):
    """What launch/eval.py evaluates."""

    title: ClassVar[str] = "Evaluation"

    out: str = option("", "folder for results.json, TREC runs and report.html; or gs://BUCKET/FOLDER", remote="gs")
    candidate_text: str = option(
        "sentence",
        "text embedded for a candidate of xquad-r and mlqa-r: sentence, or sentence+context (followed by its"
        " paragraph)",
        choices=CANDIDATE_TEXTS,
    )
    language: str = option(
        "", "language of the texts of a BEIR folder or a data set of ir_datasets, where their files do not say it"
    )
    miracl_languages: tuple = option((), "languages of miracl to evaluate, comma-separated; empty: all that have files")
    neuclir_queries: str = option(
        "own",
        "language of neuclir's queries: own, that of the documents; en, English, as in its cross-language tasks",
        choices=("own", "en"),
    )
    corpus_block: int = option(
        32768, "passages of miracl, mldr and neuclir that are read and searched at a time; bounds the memory", minimum=1
    )
    run_depth: int = option(
        100, "candidates per query in a TREC run; 0: all, which miracl, mldr and neuclir do not support", minimum=0
    )
    cross_lingual_runs: bool = option(
        False, "write TREC runs of the cross-lingual pools too, one per candidate language"
    )
    measures: str = option(
        "",
        'further measures by ir-measures, such as "nDCG@20 P@5 RBP(p=0.8) R@100", separated by spaces; grades'
        " count; measures without a cutoff are slow on large pools, RBP takes a millisecond per query and pool; needs"
        " the extra `measures`",
    )
    lexical_baseline: bool = option(
        False, "also rank by BM25, into OUT/bm25, and show it beside the model; needs the extra `lexical`"
    )
    mteb_tasks: tuple = option(
        (),
        "tasks of mteb to run instead of --benchmarks, comma-separated, such as STS22.v2; results also as mteb's JSON,"
        " into OUT/mteb/REVISION; needs the extra `mteb`",
    )
    fusion: tuple = option(
        (),
        "also rank by the model and BM25 together, comma-separated: rrf, reciprocal rank fusion, into OUT/rrf; minmax,"
        " scores scaled to 0 ... 1 and added by --fusion_weight, into OUT/minmax; needs the extra `lexical`",
    )
    fusion_weight: float = option(
        0.5, "weight of the model's scores in --fusion=minmax; BM25 has the rest", minimum=0.0, maximum=1.0
    )
    query_expansions: str = option(
        "",
        'file of JSON lines {"id": QUERY_ID, "texts": [...]}: evaluate a second time with these texts added to the'
        " queries, into OUT/expanded; empty: none",
    )
    expansion_combination: str = option(
        CONCAT,
        "how --query_expansions are added; concat: the query and its texts as one text, with the query prefix, cut at"
        " the maximum length of the longer side; mean-embedding: mean of the embeddings of the query and of each text"
        " (with the passage prefix), scaled to unit length",
        choices=EXPANSION_COMBINATIONS,
    )

    query_bank: int = option(
        0,
        "number of neighbours of query-bank normalisation: a candidate's score is lowered by --query_bank_weight times"
        " its mean score with this many of the closest --language_texts in the query's language (CSLS, arXiv"
        " 1710.04087); needs the language of every query; 0: none",
        minimum=0,
    )
    query_bank_weight: float = option(0.5, "weight of --query_bank; CSLS uses 0.5", above=0.0)
    under_resourced: tuple = under_resourced_option()

    @property
    def uses_language_texts(self) -> tuple[str, ...]:
        """See `LanguageRemoval`."""
        bank = (f"--query_bank={self.query_bank}",) if self.query_bank else ()
        return (*super().uses_language_texts, *bank)

    def __post_init__(self):
        super().__post_init__()
        check_languages("under_resourced", self.under_resourced)
        if self.query_bank_weight != EvalConfig.query_bank_weight and not self.query_bank:
            raise InputError(
                f"--query_bank_weight={self.query_bank_weight} needs --query_bank, the number of neighbours"
            )
        if self.query_bank and self.query_expansions:
            raise InputError(
                f"--query_bank={self.query_bank} cannot be combined with --query_expansions, whose queries have no"
                " single language: leave one out"
            )
        if self.neuclir_queries != "own" and "neuclir" not in self.benchmarks:
            raise InputError(f"--neuclir_queries={self.neuclir_queries} needs --benchmarks=neuclir: leave it out")
        if self.miracl_languages and "miracl" not in self.benchmarks:
            raise InputError(
                f"--miracl_languages={','.join(self.miracl_languages)} needs --benchmarks=miracl: other benchmarks are"
                " evaluated in all their languages"
            )
        streamed = [name for name in self.benchmarks if name in STREAMED]
        if self.corpus_block != EvalConfig.corpus_block and not streamed:
            raise InputError(
                f"--corpus_block={self.corpus_block} needs one of {', '.join(STREAMED)} in --benchmarks: the candidates"
                " of others are read whole"
            )
        if self.expansion_combination != CONCAT and not self.query_expansions:
            raise InputError(
                f"--expansion_combination={self.expansion_combination} needs --query_expansions, the file of the texts"
            )
        if streamed and not self.run_depth:
            raise InputError(
                f"--run_depth=0: the whole ranking of {streamed[0]}'s passages is never held: expected 1 or more"
            )
        self._check_mteb()
        self._check_fusion()
        self._check_other()

    def _check_mteb(self) -> None:
        """Raises InputError for what does not go with tasks of mteb."""
        if not self.mteb_tasks:
            return
        given = f"--mteb_tasks={','.join(self.mteb_tasks)}"
        if self.is_other:
            raise InputError(f"{given} needs a model of this package; mteb itself runs others")
        for field in dataclasses.fields(self):
            if field.name not in _WITH_MTEB and getattr(self, field.name) != field.default:
                raise InputError(f"{given} cannot be combined with --{field.name}: use two commands")

    def _check_fusion(self) -> None:
        """Raises InputError for fusions that do not exist, or options that do not go with one."""
        given = f"--fusion={','.join(self.fusion)}"
        for how in self.fusion:
            if how not in FUSIONS or self.fusion.count(how) > 1:
                raise InputError(f"{given}: expected one or both of {', '.join(FUSIONS)}")
        if self.fusion_weight != EvalConfig.fusion_weight and "minmax" not in self.fusion:
            raise InputError(f"--fusion_weight={self.fusion_weight} needs --fusion=minmax")
        for name in ("run", "query_expansions", "query_bank"):
            if self.fusion and getattr(self, name):
                raise InputError(
                    f"{given} cannot be combined with --{name}: fusion needs embeddings of the unmodified queries"
                )

    def _check_other(self) -> None:
        """Raises InputError for options that another system cannot have."""
        systems = [*([f"--model={self.model}"] if self.model else []), *self.other]
        if self.other and len(systems) > 1:
            raise InputError(f"{' and '.join(systems)}: expected one of them: a command evaluates one system")
        if self.run and len(self.run) != len(self.benchmarks):
            raise InputError(
                f"--run={','.join(self.run)}: {len(self.run)} runs for {len(self.benchmarks)} of --benchmarks: expected"
                " one for each, in their order"
            )
        if self.embeddings and len(self.benchmarks) > 1:
            raise InputError(
                f"{self.other[0]}: vectors are of one benchmark, but --benchmarks={','.join(self.benchmarks)}: give one"
            )
        if not self.is_other:
            return
        own = ["layer_probe", "query_expansions", "query_bank", "remove_language_directions", "checkpoint", "pooling"]
        own += ["truncate_dim", "quantization"]
        if not self.model:
            own += ["query_prefix", "passage_prefix", "max_length"]
        for name in [*own, *([] if self.embeddings else ["normalize"])]:
            value = getattr(self, name)
            if value != getattr(EvalConfig, name):
                raise InputError(
                    f"--{name}={value} is not supported with {systems[0]}: only models of this package take it"
                )

    @property
    def is_other(self) -> bool:
        """Whether the system is none of this package's models."""
        return bool(self.other) or self.model.startswith(SENTENCE_MODEL)
