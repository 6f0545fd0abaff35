"""How evenly a score is spread over languages and scripts: the worst, not only the mean."""

import math

import numpy as np

from hbt_jax import languages


def robustness_definition(metric: str = "map") -> str:
    """What `robustness` computes, in words."""
    return (
        f"of a setting's {metric} by query language: worst language, mean of the worst quarter (rounded up), population"
        f" standard deviation, means of {languages.under_resourced_words()} and of the others, gap = others -"
        " under_resourced; scripts: the same of the means of scripts, where a script is under-resourced if all its"
        " languages here are"
    )


def robustness(setting: str, by_language: dict, by_script: dict, metric: str = "map") -> dict:
    """How evenly a setting's metric is spread over query languages and scripts; {} if no language has it."""
    of_language, of_script = (
        {name: blocks[setting][metric] for name, blocks in by_name.items() if metric in blocks[setting]}
        for by_name in (by_language, by_script)
    )
    if not of_language:
        return {}
    known = [languages.language(code) for code in of_language]
    weak = {one.code for one in known if one.under_resourced}
    weak_scripts = {one.script for one in known} - {one.script for one in known if not one.under_resourced}
    return {
        "metric": metric,
        **_spread(of_language, weak, "language"),
        "scripts": _spread(of_script, weak_scripts, "script"),
    }


def _spread(score: dict[str, float], weak: set[str], kind: str) -> dict:
    """Mean, worst and standard deviation of the scores of languages or scripts, and the gap to the weak ones."""
    ascending = sorted(score, key=lambda name: (score[name], name))
    quarter = ascending[: math.ceil(len(ascending) / 4)]
    groups = ([score[name] for name in score if (name in weak) == is_weak] for is_weak in (True, False))
    under_resourced, others = (float(np.mean(group)) if group else None for group in groups)
    return {
        "mean": float(np.mean(list(score.values()))),
        f"worst_{kind}": ascending[0],
        "worst": score[ascending[0]],
        "worst_quarter": float(np.mean([score[name] for name in quarter])),
        f"worst_quarter_{kind}s": quarter,
        "standard_deviation": float(np.std(list(score.values()))),
        "under_resourced": under_resourced,
        "others": others,
        "gap": None if under_resourced is None or others is None else others - under_resourced,
    }
