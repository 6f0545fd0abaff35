"""The options of launch/compare.py."""

import dataclasses
from typing import ClassVar

from hbt_jax.config.option import Part, option
from hbt_jax.config.shared import check_languages, under_resourced_option
from hbt_jax.errors import InputError


@dataclasses.dataclass(frozen=True)
class CompareConfig(Part):
    """What launch/compare.py compares."""

    title: ClassVar[str] = "Comparison"

    a: tuple = option((), "output folders of launch/eval.py, one for each training run of system A, comma-separated")
    b: tuple = option((), "output folders of system B; differences are A - B")
    out: str = option("", "folder for compare.json, compare.tsv, compare.tex and, for --a and --b, compare.html")
    metric: str = option(
        "map", "metric of the three settings, as named in results.json; rank distance is always compared too"
    )
    samples: int = option(
        10_000, "draws of the bootstrap and of the randomisation test", minimum=100, maximum=1_000_000
    )
    seed: int = option(0, "seed of the draws", minimum=0, maximum=2**31 - 1)
    confidence: float = option(
        0.95,
        "confidence level of the intervals; 1 - confidence is the significance level of the tests",
        minimum=0.5,
        maximum=0.999,
    )
    under_resourced: tuple = under_resourced_option()
    systems: tuple = option(
        (),
        "two or more systems, compared pair by pair, instead of --a and --b: NAME:FOLDER for each run,"
        " comma-separated, with one name for the runs of a system",
    )

    def __post_init__(self):
        super().__post_init__()
        check_languages("under_resourced", self.under_resourced)
        if self.systems and (self.a or self.b):
            raise InputError(f"--systems={','.join(self.systems)} replaces --a and --b: leave them out")
