"""The counts of the world facts, as the lines of a few compact tables."""

import collections

from data_prep.facts_groups import Group
from data_prep.facts_names import LANGUAGES
from hbt_jax.languages import language

_LANGUAGES_A_LINE = 9


def table(splits: dict[str, tuple[Group, ...]], dropped: dict[str, int]) -> list[str]:
    """Lines that say how many facts and texts there are, and how many were left out, and why.

    Args:
      splits: {split: groups}.
      dropped: {reason: number} of `facts_groups.all_groups`.

    Returns:
      facts per relation and split, facts stated (one query and one passage) per language and per script, the dropped.
    """
    groups = [group for split in splits.values() for group in split]
    relations = list(dict.fromkeys(group.fact.relation for group in groups))
    lines = [f"{'facts':<20}" + "".join(f"{split:>12}" for split in splits)]
    for relation in relations:
        counts = (sum(group.fact.relation == relation for group in split) for split in splits.values())
        lines.append(f"{relation:<20}" + "".join(f"{count:>12}" for count in counts))
    lines.append(f"{'all':<20}" + "".join(f"{len(split):>12}" for split in splits.values()))
    stated = collections.Counter(code for group in groups for code in group.texts)
    lines.append("facts stated per language:")
    for start in range(0, len(LANGUAGES), _LANGUAGES_A_LINE):
        lines.append("  " + "  ".join(f"{code:>3} {stated[code]:>4}" for code in LANGUAGES[start:][:_LANGUAGES_A_LINE]))
    scripts = collections.defaultdict(list)
    for code in LANGUAGES:
        scripts[language(code).script].append(stated[code])
    lines.append(f"facts stated per script ({len(scripts)} scripts), over the number of languages in brackets:")
    items = [f"{script} {sum(found)} ({len(found)})" for script, found in sorted(scripts.items())]
    lines += ["  " + "  ".join(items[start : start + 6]) for start in range(0, len(items), 6)]
    return lines + [f"{reason}: {number}" for reason, number in sorted(dropped.items())]
