"""Fills the figures of docs/study.md and study_details.md from studies: no table or test there is typed by hand.

    python .ci/study_page.py --keep=facts:runs/study/study.json   # copies what pages show to docs/study/facts.json
    python .ci/study_page.py --write                              # fills both pages, draws docs/study/*.svg
    python .ci/study_page.py                                      # prints the filled pages

A place to fill begins with `<!-- VIEW STUDY BENCHMARK ... -->` and ends with `<!-- end -->`, where VIEW is
results, tests, languages, robustness, groups, systems, pairs, picture or forest, and STUDY is a file of docs/study/
without .json: a study.json, or for systems and pairs a compare.json of launch/compare.py --systems.
What follows BENCHMARK depends on VIEW:
    groups              query languages, such as seen=ar,de unseen=el,tr; also settings to show, such as multilingual
    tests, languages    the baselines to show, such as batching=x-y
    pairs               the pairs, such as hybrid:x-y
    systems, pairs      also the settings to show, such as multilingual, if not all
    picture             an axis and a setting
    forest              a setting and the two configurations; only the rows by language and script of these are kept
"""

import argparse
import json
import re
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from hbt_jax.evaluation.measures.metrics import RANK_DISTANCE  # noqa: E402
from hbt_jax.evaluation.report.forest import forest_plot  # noqa: E402
from hbt_jax.evaluation.report.names import SETTING_NAMES, metric_name, number  # noqa: E402
from hbt_jax.study import curves, table  # noqa: E402
from hbt_jax.study.claims import deciding_p, measured, sentence  # noqa: E402

PAGES = (ROOT / "docs" / "study.md", ROOT / "docs" / "study_details.md")
FOLDER = ROOT / "docs" / "study"
FOREST, PAIRS = "forest", "pairs"
_FOREST_STYLE = ROOT / "hbt_jax" / "evaluation" / "report" / "templates" / "compare.css"
NOT_RUN = "*Not run yet: no study `{}` was kept.*"
_PLACE = re.compile(
    r"(<!-- (results|tests|languages|robustness|groups|systems|pairs|picture|forest) (.+?) -->\n).*?(<!-- end -->)",
    re.DOTALL,
)
_STYLE = """
svg { font: 11px system-ui, sans-serif; background: #fff; }
text { fill: #1b2430; } text.faint { fill: #5d6b7a; } .grid-line { stroke: #dde2e8; }
.series { fill: none; stroke-width: 2; }
:root { --series-1: #0072b2; --series-2: #d55e00; --series-3: #009e73; --series-4: #b0609a; --card: #fff; }
:root { --ink: #1b2430; --faint: #5d6b7a; }
"""


def keep(name: str, source: Path) -> None:
    """Copies a study without those rows by language and script, or those pairs, that no page shows."""
    study = json.loads(source.read_text(encoding="utf-8"))
    places_of = (_PLACE.findall(page.read_text(encoding="utf-8")) for page in PAGES)
    shown = [(view, given.split()) for places in places_of for _, view, given, _ in places]
    forests = [given for view, given in shown if view == FOREST]
    pairs = [
        {*pair.split(":")}
        for view, given in shown
        if view == PAIRS and given[0] == name
        for pair in given[2:]
        if ":" in pair
    ]
    for benchmark, block in study["benchmarks"].items():
        if "axes" not in study:
            for one in block["comparisons"].values():
                one["pairs"] = [row for row in one["pairs"] if {row["a"], row["b"]} in pairs]
            continue
        for one in block["comparisons"]:
            for setting, rows in one["comparisons"].items():
                if [name, benchmark, setting, one["a"], one["b"]] not in forests:
                    del rows["by_query_language"], rows["by_script"]
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{name}.json").write_text(json.dumps(study, separators=(",", ":")) + "\n", encoding="utf-8")


def filled(text: str, folder: Path = FOLDER) -> tuple[str, dict[str, str]]:
    """A page with its places filled, and the pictures it shows: file name -> SVG."""
    pictures: dict[str, str] = {}

    def fill(place: re.Match) -> str:
        start, view, given, end = place.groups()
        name, benchmark, *more = given.split()
        file = folder / f"{name}.json"
        if not file.exists():
            return f"{start}{NOT_RUN.format(name)}\n{end}"
        study = json.loads(file.read_text(encoding="utf-8"))
        if benchmark not in study["benchmarks"]:
            raise SystemExit(f"{file} has no {benchmark}, but {', '.join(study['benchmarks'])}")
        if view in _PICTURES:
            picture = f"{name}-{benchmark}-{'-'.join(more)}.svg"
            pictures[picture], caption = _PICTURES[view](study, benchmark, *more)
            return f"{start}![{caption}](study/{picture})\n{end}"
        return f"{start}{_VIEWS[view](study['benchmarks'][benchmark], benchmark, more)}\n{end}"

    return _PLACE.sub(fill, text), pictures


def _results(block: Mapping, benchmark: str, _: Sequence[str]) -> str:
    return table.table(benchmark, block["metrics"])


def _tests(block: Mapping, _: str, baselines: Sequence[str]) -> str:
    return "\n".join(f"- {claim}" for one in _compared(block, baselines) for claim in one["claims"])


def _languages(block: Mapping, _: str, baselines: Sequence[str]) -> str:
    return "\n".join(f"- {sentence}" for one in _compared(block, baselines) for sentence in one["details"])


def _compared(block: Mapping, baselines: Sequence[str]) -> Iterator[Mapping]:
    """The comparisons with these baselines, all if none is named; of two configurations only once."""
    done = set()
    for one in block["comparisons"]:
        if (one["b"], one["a"]) not in done and (not baselines or one["baseline"] in baselines):
            done.add((one["a"], one["b"]))
            yield one


def _robustness(block: Mapping, benchmark: str, _: Sequence[str]) -> str:
    heads = [f"{benchmark}: batches", "setting", "worst language", "worst quarter", "standard deviation",
             "under-resourced", "others"]  # fmt: skip
    measures = ("worst", "worst_quarter", "standard_deviation", "under_resourced", "others")
    rows = [
        [label, SETTING_NAMES[setting], *(number(kinds["languages"].get(name), block["metric"]) for name in measures)]
        for setting, of_label in block["robustness"].items()
        for label, kinds in of_label.items()
    ]
    return table.markdown(heads, rows)


def _groups(block: Mapping, benchmark: str, wanted: Sequence[str]) -> str:
    """Means over the query languages of groups such as "seen=ar,de", and over seeds."""
    codes_of = {name: codes.split(",") for name, _, codes in (group.partition("=") for group in wanted) if codes}
    settings = [name for name in wanted if "=" not in name] or block["by_query_language"]
    columns = [(setting, name) for setting in settings for name in codes_of]
    names = SETTING_NAMES | {RANK_DISTANCE: metric_name(RANK_DISTANCE)}
    heads = [f"{benchmark}: batches", *(f"{names[setting]}, {name}" for setting, name in columns)]
    labels = dict.fromkeys(label for of_label in block["by_query_language"].values() for label in of_label)

    def cell(label: str, setting: str, name: str) -> str:
        of_language = block["by_query_language"][setting].get(label, {})
        found = [of_language[code] for code in codes_of[name] if code in of_language]
        return number(
            statistics.fmean(found) if found else None, setting if setting == RANK_DISTANCE else block["metric"]
        )

    return table.markdown(heads, [[label, *(cell(label, *column) for column in columns)] for label in labels])


def _settings(block: Mapping, wanted: Sequence[str]) -> dict[str, Mapping]:
    """The comparisons of a compare.json in these settings; in all, if none is named."""
    found = block["comparisons"]
    if unknown := [setting for setting in wanted if setting not in found]:
        raise SystemExit(f"no setting {unknown[0]} was compared, but {', '.join(found)}")
    return {setting: found[setting] for setting in wanted} or found


def _systems(block: Mapping, benchmark: str, wanted: Sequence[str]) -> str:
    """The systems of a compare.json, a row each."""
    settings = _settings(block, wanted)
    heads = [f"{benchmark}: system", *(measured(setting, one) for setting, one in settings.items())]
    names = next(iter(settings.values()))["values"]
    rows = [[name, *(number(one["values"][name], one["metric"]) for one in settings.values())] for name in names]
    return table.markdown(heads, rows)


def _pairs(block: Mapping, benchmark: str, wanted: Sequence[str]) -> str:
    """What the tests of a compare.json say of pairs such as hybrid:x-y, in this order of the two."""
    said = []
    settings = _settings(block, [name for name in wanted if ":" not in name])
    for a, b in (one.split(":") for one in wanted if ":" in one):
        for setting, one in settings.items():
            row = next((row for row in one["pairs"] if {row["a"], row["b"]} == {a, b}), None)
            if row is None:
                raise SystemExit(f"{benchmark}: no comparison of {a}:{b} in {setting} was kept")
            turned = row if row["a"] == a else _turned(row)
            said.append(f"- {sentence(a, b, setting, one, turned, deciding_p(row))}")
    return "\n".join(said)


def _turned(row: Mapping) -> dict:
    """The row of b and a."""
    low, high = (None if row[end] is None else -row[end] for end in ("high", "low"))
    better = {"a": "b", "b": "a", None: None}[row["better"]]
    return {"difference": -row["difference"], "low": low, "high": high, "better": better}


_VIEWS = {"results": _results, "tests": _tests, "languages": _languages, "robustness": _robustness,
          "groups": _groups, "systems": _systems, "pairs": _pairs}  # fmt: skip


def _picture(study: Mapping, benchmark: str, axis: str, setting: str) -> tuple[str, str]:
    """A curve and its title."""
    found = {title.replace(" ", "_"): (title, drawn) for title, drawn in curves.panels(study, benchmark, axis)}
    (title, drawn) = next(value for key, value in found.items() if key.startswith(setting))
    return _alone(drawn, _STYLE), f"{benchmark}: {title} over {curves.axis_name(axis)}"


def _forest(study: Mapping, benchmark: str, setting: str, a: str, b: str) -> tuple[str, str]:
    """The differences of two configurations by script and language, and what A and B are."""
    one = next(one for one in study["benchmarks"][benchmark]["comparisons"] if (one["a"], one["b"]) == (a, b))
    block = one["comparisons"][setting]
    caption = f"{benchmark}: {measured(setting, block)}, A: {a}, B: {b}"
    return _alone(forest_plot(setting, block), _STYLE + _FOREST_STYLE.read_text(encoding="utf-8")), caption


def _alone(drawn: str, style: str) -> str:
    """A picture as a file of its own, with the style that a page would give it."""
    opening = '<svg xmlns="http://www.w3.org/2000/svg" width="510" '
    svg = str(drawn).replace("<svg ", opening, 1).replace(">", f"><style>{style}</style>", 1)
    return svg + "\n"


_PICTURES = {"picture": _picture, FOREST: _forest}


def main() -> None:
    """Reads the arguments and does what they say."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", metavar="NAME:FILE", action="append", default=[], help="copy a study.json")
    parser.add_argument("--write", action="store_true", help="write the page and its pictures")
    given = parser.parse_args()
    for each in given.keep:
        name, _, source = each.partition(":")
        keep(name, Path(source))
    if given.keep and not given.write:
        return
    for page in PAGES:
        text, pictures = filled(page.read_text(encoding="utf-8"))
        if not given.write:
            print(text, end="")
            continue
        for name, svg in pictures.items():
            (FOLDER / name).write_text(svg, encoding="utf-8")
        page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="backslashreplace")
    main()
