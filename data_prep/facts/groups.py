"""Facts in words: one group per fact, with a query and a passage in every language that has all the names."""

import collections
import dataclasses
import functools
import hashlib
import tomllib
from pathlib import Path

from data_prep.facts.names import LANGUAGES, ambiguous, names
from data_prep.facts.relations import INVERSES, RELATIONS, Fact, facts

SPLITS = ("train", "validation", "test")
MOST_ANSWERS = 8  # in a passage, the first ones in the fact's order
FEWEST_LANGUAGES = 12  # facts that fewer languages can state are left out, so that groups stay parallel
MOST_TOLD_TOGETHER = 4  # larger sets of groups that imply each other's facts are not held out
TEST_SHARE, VALIDATION_SHARE = 0.12, 0.06  # of the groups that can be held out
_FULL_STOPS = ".。।"  # replaced by "…" after a shortened list


@dataclasses.dataclass(frozen=True)
class Group:
    """One fact in words.

    Attributes:
      fact: what it states; `fact.id` is the id of the group, of its query and of its passage.
      texts: {language: (query, passage)}.
    """

    fact: Fact
    texts: dict[str, tuple[str, str]]

    @property
    def subject(self) -> tuple[str, str]:
        """Kind and code of the entity, shared by its groups of other relations."""
        return RELATIONS[self.fact.relation].entity, self.fact.entity


@functools.cache
def words() -> dict[str, dict]:
    """The table of template words, {language: {relation: [query words, passage words], question, record, comma}}."""
    table = tomllib.loads((Path(__file__).parent / "words.toml").read_text(encoding="utf-8"))
    default = table.pop("default")
    return {language: {**default, **own} for language, own in table.items()}


@functools.cache
def all_groups() -> tuple[tuple[Group, ...], dict[str, int]]:
    """Every group, ordered by relation and entity, and how much was left out.

    Returns:
      groups; counts {reason: number}: reasons about a language count texts (a fact in a language), others count facts.
    """
    everything = tuple(facts())
    subjects = collections.defaultdict(set)
    for fact in everything:
        subjects[RELATIONS[fact.relation].entity].add(fact.entity)
    frozen = {kind: frozenset(codes) for kind, codes in subjects.items()}
    groups, counts = [], collections.Counter()
    for fact in everything:
        texts, reasons = _texts(fact, frozen[RELATIONS[fact.relation].entity])
        if len(texts) < FEWEST_LANGUAGES:
            counts[f"facts stated in fewer than {FEWEST_LANGUAGES} languages"] += 1
            continue
        counts.update(reasons)
        counts[f"facts whose passages name only the first {MOST_ANSWERS} answers"] += len(fact.answers) > MOST_ANSWERS
        groups.append(Group(fact, texts))
    return tuple(groups), dict(counts)


def _texts(fact: Fact, subjects: frozenset[str]) -> tuple[dict[str, tuple[str, str]], collections.Counter]:
    """The fact's query and passage by language, and why the other languages have none."""
    relation, reasons, texts = RELATIONS[fact.relation], collections.Counter(), {}
    shown = fact.answers[:MOST_ANSWERS]
    for language in LANGUAGES:
        known, phrases = names(language), words()[language]
        if fact.entity not in known[relation.entity]:
            reasons["texts left out: the language has no name for the entity"] += 1
        elif fact.entity in ambiguous(language, relation.entity, subjects):
            reasons["texts left out: the language names two entities alike"] += 1
        elif relation.answer and not all(code in known[relation.answer] for code in shown):
            reasons["texts left out: the language has no name for an answer"] += 1
        else:
            answers = [known[relation.answer][code] if relation.answer else code for code in shown]
            listed = phrases["comma"].join(dict.fromkeys(answers))
            asked, stated = phrases[fact.relation]
            record = phrases["record"]
            if len(shown) < len(fact.answers):
                record = record.rstrip(_FULL_STOPS) + "…"
            entity = known[relation.entity][fact.entity]
            texts[language] = (
                phrases["question"].format(x=entity, q=asked),
                record.format(x=entity, p=stated, y=listed),
            )
    return texts, reasons


@functools.cache
def groups_by_split(seed: int) -> dict[str, tuple[Group, ...]]:
    """Assigns the groups to train, validation and test.

    Groups are held out at random, if their entity keeps another relation in train and their relation keeps most of its
    groups there: so entity and relation are both learnt, but never together.  Groups that imply each other's facts in
    reverse (a territory's currency, the currency's territories) are assigned together, and stay in train if they are
    many.  The order of assignment is that of the SHA-256 of the seed and the first group's id.

    Args:
      seed: any number; other seeds hold out other groups.

    Returns:
      {split: groups}, each ordered by relation and entity.
    """
    groups, _ = all_groups()
    left = collections.Counter(group.subject for group in groups)
    in_train = collections.Counter(group.fact.relation for group in groups)
    fewest_in_train = {relation: -(-count // 2) for relation, count in in_train.items()}
    eligible = sum(left[group.subject] > 1 for group in groups)
    wanted = {"test": round(TEST_SHARE * eligible), "validation": round(VALIDATION_SHARE * eligible)}
    split_of = {}
    for told in sorted(told_together(), key=lambda one: hashlib.sha256(f"{seed}/{one[0].fact.id}".encode()).digest()):
        split = next((name for name, number in wanted.items() if number > 0), None)
        if split is None:
            break
        fits = all(
            left[one.subject] > 1 and in_train[one.fact.relation] > fewest_in_train[one.fact.relation] for one in told
        )
        if len(told) > MOST_TOLD_TOGETHER or not fits:
            continue
        wanted[split] -= len(told)
        for group in told:
            split_of[group.fact.id] = split
            left[group.subject] -= 1
            in_train[group.fact.relation] -= 1
    return {name: tuple(one for one in groups if split_of.get(one.fact.id, "train") == name) for name in SPLITS}


@functools.cache
def told_together() -> tuple[tuple[Group, ...], ...]:
    """Every group, in sets of groups that imply each other's facts in reverse.

    Peru's currency and the territories that use that currency are one set; the territories of the euro and their
    currencies are one large set; a fact that no other fact implies is a set of its own.
    """
    by_id = {group.fact.id: group for group in all_groups()[0]}
    set_of = {name: {name} for name in by_id}
    for name, group in by_id.items():
        for answer in group.fact.answers if group.fact.relation in INVERSES else ():
            other = f"{INVERSES[group.fact.relation]}/{answer}"
            if other in by_id and set_of[other] is not set_of[name]:
                set_of[name] |= set_of[other]
                set_of |= dict.fromkeys(set_of[name], set_of[name])
    distinct = {id(names): names for names in set_of.values()}
    return tuple(tuple(by_id[name] for name in sorted(names)) for names in distinct.values())
