"""Compares the results of a quickstart with README.md's, and with the untrained model.

    python .ci/quickstart_results.py EVALUATION [--shortened]

Fails unless each mAP is clearly above the untrained model's.  Prints a line that begins with "warning: " for each
figure that differs from README.md's, and fails if there is one.  With --shortened it compares only the figures that do
not depend on the number of steps, and warnings do not make it fail.
"""

import json
import re
import sys
from pathlib import Path

sys.stdout.reconfigure(errors="backslashreplace")  # on any output encoding

MARGIN = 0.10  # of mAP, above the untrained model's
TOLERANCE = 0.05  # of mAP and recall: more than two standard deviations of README.md's runs with three seeds
SETTINGS = {"monolingual": "monolingual", "cross-lingual": "cross_lingual", "multilingual": "multilingual"}
METRICS = ("map", "recall@1", "recall@10", "R@1", "R@10")


def printed(text: str) -> dict[str, dict]:
    """The figures in README.md by "untrained" and "trained".

    Each has "queries", "candidates", "release" (of CLDR) and of each setting [mAP, R_cap@1, R_cap@10, R@1, R@10].
    """
    found = {}
    for block, start, queries, candidates in re.findall(
        r"^((untrained weights, )?facts: ([\d,]+) queries and ([\d,]+) candidates.*\n(?: .*\n)+)", text, re.MULTILINE
    ):
        rows = re.findall(r"^ +([a-z-]+)((?: +[\d.]+){5}) ", block, re.MULTILINE)
        figures = {SETTINGS[name]: list(map(float, values.split())) for name, values in rows if name in SETTINGS}
        counts = {"queries": int(queries.replace(",", "")), "candidates": int(candidates.replace(",", ""))}
        found["untrained" if start else "trained"] = counts | figures
    release = re.search(r"facts from CLDR (\d+)", text)
    if release is None:
        sys.exit("README.md: expected '... facts from CLDR NUMBER', the release that its figures are of")
    if set(found) != {"untrained", "trained"} or any(len(part) != 2 + len(SETTINGS) for part in found.values()):
        sys.exit(f"README.md: expected the figures of the untrained and the trained model, found {found}")
    for part in found.values():
        part["release"] = f"Unicode CLDR {release[1]}"
    return found


def measured(folder: Path) -> dict:
    """The same of a folder of results."""
    content = json.loads((folder / "facts" / "results.json").read_text(encoding="utf-8"))
    counts = {side: sum(content["counts"][side].values()) for side in ("queries", "candidates")}
    return (
        counts
        | {"release": content["settings"]["data_release"]}
        | {setting: [content["metrics"][setting][metric] for metric in METRICS] for setting in SETTINGS.values()}
    )


def different(promised: dict, found: dict) -> list[str]:
    """A phrase for each figure that is another one."""
    phrases = []
    for name, value in promised.items():
        if not isinstance(value, list):
            if value != found[name]:
                phrases.append(f"{name} {found[name]}, in README.md {value}")
            continue
        for metric, one, other in zip(METRICS, found[name], value, strict=True):
            if abs(one - other) > TOLERANCE:
                phrases.append(f"{name} {metric} {one:.4f}, in README.md {other:.4f}")
    return phrases


folder, shortened = Path(sys.argv[1]), "--shortened" in sys.argv
promised = printed((Path(__file__).resolve().parents[1] / "README.md").read_text(encoding="utf-8"))
results = {"untrained": measured(folder / "untrained"), "trained": measured(folder)}
for name, setting in SETTINGS.items():
    trained, untrained = (results[kind][setting][0] for kind in ("trained", "untrained"))
    print(f"{name}: mAP {trained:.4f} (README.md {promised['trained'][setting][0]:.4f}), untrained {untrained:.4f}")
kinds = ["untrained"] if shortened else ["untrained", "trained"]
warnings = [f"{kind}: {phrase}" for kind in kinds for phrase in different(promised[kind], results[kind])]
for warning in warnings:
    print(f"warning: quickstart, {warning}")
weak = [s for s in SETTINGS.values() if results["trained"][s][0] <= results["untrained"][s][0] + MARGIN]
if weak:
    sys.exit(f"expected a mAP more than {MARGIN} above the untrained model's: {', '.join(weak)}")
if warnings and not shortened:
    sys.exit(f"expected README.md's figures, within {TOLERANCE}: correct one or the other")
