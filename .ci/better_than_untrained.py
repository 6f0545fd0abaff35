"""Fails unless a trained model's mAP is above the untrained one's by a clear margin in all three settings."""

import json
import sys
from pathlib import Path

from hbt_jax.output import escape_what_cannot_be_shown

MARGIN = 0.10


def maps(folder: Path) -> dict[str, float]:
    """mAP of each setting in a folder of results."""
    metrics = json.loads((folder / "facts" / "results.json").read_text(encoding="utf-8"))["metrics"]
    return {setting: block["map"] for setting, block in metrics.items()}


escape_what_cannot_be_shown()
trained, untrained = maps(Path(sys.argv[1])), maps(Path(sys.argv[1]) / "untrained")
for setting, value in trained.items():
    print(f"{setting}: mAP {value:.3f}, untrained {untrained[setting]:.3f}")
if not all(value > untrained[setting] + MARGIN for setting, value in trained.items()):
    sys.exit(f"expected each to be more than {MARGIN} above the untrained model")
