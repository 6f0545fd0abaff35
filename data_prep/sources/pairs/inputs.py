"""What --input names: files and folders, the split and the layout of each, and what is not read."""

import dataclasses
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from data_prep.builders.row import BadRow
from data_prep.sources.pairs.judged import Judged
from data_prep.sources.pairs.layouts import AUTO, BEIR, MSMARCO, Example, FileLayout, empty_cells_as_null, layout_of
from data_prep.sources.pairs.record_files import KINDS, column_names, first_line, kind, records
from hbt_jax import json_text
from hbt_jax.errors import InputError

_SPLITS = {"train": "train training", "validation": "validation valid val dev", "test": "test testing"}
_TRIPLE = ("query", "positive", "negative")  # columns of a file of MS MARCO's triples, which has no header
_CELLS = ("tsv", "csv")  # kinds of files without null
_PACKED = ("", ".gz", ".bz2")
_MOST_LAYOUTS = 1000  # kept of one file
_OF_DATASETS = ("dataset_dict.json", "dataset_info.json", "state.json")


@dataclasses.dataclass(frozen=True)
class Options:
    """How the files are read.

    Attributes:
      format: one of layouts.FORMATS.
      renamed: name of a column in the files -> the name that its layout has for it.
      language: the code of every row; empty: columns say it.
    """

    format: str
    renamed: Mapping[str, str]
    language: str


@dataclasses.dataclass(frozen=True)
class RowFile:
    """A file whose rows are examples.

    Attributes:
      path, layout: the file, and what its rows hold.
      names: of its columns if it has no header; otherwise empty.
      renamed: as in Options.
      unused: its columns that are not read.
    """

    path: Path
    layout: FileLayout
    names: tuple[str, ...]
    renamed: Mapping[str, str]
    unused: tuple[str, ...]

    def examples(self) -> Iterator[Example | BadRow]:
        """Yields the example of each row, and a BadRow in place of one that cannot be used."""
        known: dict[tuple[str, ...], FileLayout] = {}  # rows of JSON may have other columns than the first
        for row in records(self.path, self.renamed, self.names):
            if isinstance(row, BadRow):
                yield row
                continue
            place, record = row
            if kind(self.path) in _CELLS:
                record = empty_cells_as_null(record)
            columns = tuple(record)
            try:
                if columns not in known:
                    if len(known) == _MOST_LAYOUTS:
                        known.clear()
                    known[columns] = layout_of(place, columns, self.layout.name, self.layout.language)
                yield known[columns].read(place, record)
            except InputError as error:
                yield BadRow(str(error))


@dataclasses.dataclass(frozen=True)
class Split:
    """What one split is read from: files of rows, and folders of texts and judgements."""

    files: tuple[RowFile, ...] = ()
    judged: tuple[Judged, ...] = ()

    @property
    def paths(self) -> list[Path]:
        """Every file."""
        folders = [path for one in self.judged for path in (*one.corpus, *one.queries, *one.judgements)]
        return list(dict.fromkeys([*(file.path for file in self.files), *folders]))


def splits_of(given: Sequence[Path], options: Options) -> tuple[dict[str, Split], list[str]]:
    """Split -> what it is read from, and lines that say how the files are read.

    A word such as `train`, `dev` or `test` in the name of a file, or else of a folder below the given one, names the
    file's split; files without such a word belong to train.

    Raises:
      InputError: nothing to read is there, or a file's columns fit no layout.
    """
    files: dict[str, list[RowFile]] = {}
    judged: dict[str, list[Judged]] = {}
    notes: list[str] = []
    mapped: set[str] = set()
    for place in given:
        if not place.exists():
            raise InputError(f"--input={place}: no such file or folder")
        folder = _judged_folder(place, options, notes) if place.is_dir() else {}
        for split, one in folder.items():
            judged.setdefault(split, []).append(one)
        if folder:
            mapped |= set(options.renamed)
            continue
        if options.format == BEIR:
            raise InputError(f"--input={place}: expected a folder with corpus.jsonl, queries.jsonl and qrels/*.tsv")
        for path in _row_files(place, notes):
            columns, names = _columns(path, options)
            mapped |= set(options.renamed) & set(columns)
            split = _split_word(path.relative_to(place) if place.is_dir() else Path(path.name))
            files.setdefault(split or "train", []).append(_row_file(path, columns, names, options))
    if unknown := [name for name in options.renamed if name not in mapped]:
        listed = sorted({column for found in files.values() for one in found for column in one.unused})
        raise InputError(
            f"--columns={options.renamed[unknown[0]]}={unknown[0]}: no file has a column {unknown[0]!r}: the unused"
            f" columns are {', '.join(map(repr, listed)) or 'none'}"
        )
    found = {
        split: Split(tuple(files.get(split, ())), tuple(judged.get(split, ())))
        for split in _SPLITS
        if split in files or split in judged
    }
    return found, [line for split, one in found.items() for line in _lines(split, one)] + notes


def _lines(split: str, found: Split) -> Iterator[str]:
    """How the files of a split are read, one line for each kind of file."""
    alike: dict[tuple, list[RowFile]] = {}
    for file in found.files:
        alike.setdefault((file.layout.name, file.layout.used, file.unused, bool(file.names)), []).append(file)
    for (name, used, unused, headless), files in alike.items():
        others = f" and {len(files) - 1:,} more" if len(files) > 1 else ""
        line = f"{split}: {files[0].path.name}{others}: {MSMARCO if headless else name}, "
        line += f"{'without a header, as' if headless else 'from'} the columns {', '.join(used)}"
        if headless:
            line += f", the first row {' | '.join(cell[:40] for cell in first_line(files[0].path))!r}"
        yield line + (f"; not read: {', '.join(unused)}" if unused else "")
    for one in found.judged:
        layout = MSMARCO if one.corpus[0].name.startswith("collection") else BEIR
        names = ", ".join(path.name for path in (*one.corpus, *one.queries, *one.judgements))
        yield f"{split}: {layout} folder {one.corpus[0].parent}, from {names}"


def _columns(path: Path, options: Options) -> tuple[list[str], tuple[str, ...]]:
    """The columns of a file as it names them; and, of a file without a header, the names that they are given."""
    if kind(path) != "tsv" or options.format not in (AUTO, MSMARCO):
        return column_names(path), ()
    cells = first_line(path)
    if options.format == AUTO and not any(len(cell.split()) > 1 for cell in cells):
        return cells, ()  # a header: one word a column
    if len(cells) not in (2, 3):
        raise InputError(
            f"{path}: the first line has {len(cells)} columns and names none: expected a header, or query, positive"
            " and perhaps negative, separated by tabs"
        )
    return list(_TRIPLE[: len(cells)]), _TRIPLE[: len(cells)]


def _row_file(path: Path, columns: list[str], names: tuple[str, ...], options: Options) -> RowFile:
    targets = set(options.renamed.values()) if set(options.renamed) & set(columns) else set()
    renamed = [options.renamed.get(name, name) for name in columns if name in options.renamed or name not in targets]
    wanted = "" if options.format in (AUTO, MSMARCO) else options.format
    layout = layout_of(str(path), renamed, wanted, options.language)
    unused = tuple(
        name
        for name in columns
        if options.renamed.get(name, name) not in layout.used or (name in targets and name not in options.renamed)
    )
    return RowFile(path, layout, names, options.renamed, unused)


def _row_files(place: Path, notes: list[str]) -> list[Path]:
    """The files of rows that a place is or holds, in order; notes which others it holds."""
    if place.is_file():
        if not kind(place):
            raise InputError(f"--input={place}: expected a folder, or a file that ends in .{', .'.join(KINDS)}")
        return [place]
    found, others = [], []
    for path in sorted(place.rglob("*")):
        state = path.parent / "state.json"
        if path.is_dir() or path.name in _OF_DATASETS or path.name.startswith((".", "_")):
            continue
        listed = state.is_file() and path.name not in _files_of(state)  # others there are the library's caches
        (others if listed or not kind(path) else found).append(path)
    if not found:
        raise InputError(
            f"--input={place}: no file that ends in .{', .'.join(KINDS)}, and not a BEIR folder (corpus.jsonl,"
            " queries.jsonl, qrels/*.tsv) or an MS MARCO folder (collection.tsv, queries.*.tsv, qrels.*.tsv)"
        )
    if others:
        notes.append(f"not read: {len(others):,} other files in {place}, such as {others[0].relative_to(place)}")
    return found


def _files_of(state: Path) -> list[str]:
    """The data files that a folder of `datasets` lists in its state.json."""
    try:
        return [file["filename"] for file in json_text.read(state)["_data_files"]]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{state}: not the state of a folder that `datasets` saved: save it again") from error


def _split_word(path: Path) -> str:
    """The split that a file's name says, or else the name of the closest folder that says one; empty if none does."""
    for part in reversed(path.parts):
        words = re.split(r"[^a-z]+", part.lower())
        for split, names in _SPLITS.items():
            if set(words) & set(names.split()):
                return split
    return ""


def _judged_folder(folder: Path, options: Options, notes: list[str]) -> dict[str, Judged]:
    """The splits of a folder of texts and judgements; empty if it is none, or is to be read as files of rows."""
    beir, msmarco = _existing(folder, ("corpus.jsonl",)), _existing(folder, ("collection.tsv",))
    if beir and options.format in (AUTO, BEIR):
        queries = _existing(folder, ("queries.jsonl",))
        judgements = sorted(path for path in folder.glob("qrels/*.tsv*") if path.name.endswith((".tsv", ".tsv.gz")))
        return _by_split(folder, beir, lambda _: queries, {False: judgements}, options)
    if msmarco and options.format in (AUTO, MSMARCO):
        tables = sorted(path for path in folder.glob("*.tsv*") if kind(path) == "tsv")
        queries = [path for path in tables if path.name.startswith("queries")]
        triples = [path for path in tables if re.match(r"qidpidtriples|triples.*\bids\b", path.name)]
        qrels = [path for path in tables if path.name.startswith("qrels")]
        found = _by_split(
            folder, msmarco, lambda split: [one for one in queries if _split_word(Path(one.name)) in (split, "")],
            {False: qrels, True: triples}, options,
        )  # fmt: skip
        read = {path for one in found.values() for path in (*one.corpus, *one.queries, *one.judgements)}
        notes += [f"not read: {path}" for path in tables if path not in read]
        return found
    return {}


def _by_split(folder: Path, corpus, queries_of, judgements: Mapping[bool, Iterable[Path]], options: Options) -> dict:
    found = {}
    for triples, paths in judgements.items():  # triples, which name negatives, before qrels of the same split
        for path in paths:
            split = _split_word(Path(path.name)) or "train"
            before = found.get(split)
            if before is not None and before.triples == triples:
                found[split] = dataclasses.replace(before, judgements=(*before.judgements, path))
                continue
            queries = tuple(queries_of(split))
            if not queries:
                raise InputError(
                    f"{folder}: no queries for {path.name}: expected queries.jsonl, or queries.{split}.tsv"
                )
            found[split] = Judged(tuple(corpus), queries, (path,), triples, options.renamed, options.language)
    if not found:
        raise InputError(f"{folder}: no judgements: expected qrels/train.tsv (BEIR) or qrels.train.tsv (MS MARCO)")
    return found


def _existing(folder: Path, names: Sequence[str]) -> list[Path]:
    return [path for name in names for suffix in _PACKED if (path := folder / f"{name}{suffix}").is_file()]
