"""The letters at the end of array names are those that hbt_jax/__init__.py explains."""

import ast
import re
from pathlib import Path

import hbt_jax

ROOT = Path(__file__).resolve().parents[1]
EVERYWHERE = "everywhere"
SUFFIX = re.compile(r"[a-z0-9]_([a-zA-Z0-9]?[A-Z0-9][a-zA-Z0-9]{0,3}|[A-Z])$")


def legend() -> dict[str, dict[str, str]]:
    """{room: {letter: meaning}}; a room is a folder, written with dots."""
    rooms: dict[str, dict[str, str]] = {}
    for line in hbt_jax.__doc__.splitlines():
        if heading := re.fullmatch(r"    ([a-z_.]+)(?:, [a-z_.]+)*", line):
            names = heading[0].strip().split(", ")
            letters: dict[str, str] = {}
            assert not rooms.keys() & set(names), "each room stands once"
            rooms |= dict.fromkeys(names, letters)
        elif letter := re.fullmatch(r"        ([A-Za-z])  (\S.*)", line):
            assert letter[1] not in letters, f"{letter[1]} is explained once a room"
            letters[letter[1]] = letter[2]
    return rooms


def suffixes() -> dict[tuple[str, str], set[str]]:
    """{(dotted module, letter): names of arrays with that letter}; digits are sizes, not letters."""
    found: dict[tuple[str, str], set[str]] = {}
    for top in ("hbt_jax", "data_prep"):
        for path in sorted((ROOT / top).rglob("*.py")):
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removeprefix("hbt_jax.")
            for name in names(path):
                for letter in re.sub("[0-9]", "", (SUFFIX.search(name) or ["", ""])[1]):
                    found.setdefault((module, letter), set()).add(name)
    return found


def names(path: Path) -> set[str]:
    """Every name of a variable, argument or attribute in a file."""
    kinds = {ast.Name: "id", ast.arg: "arg", ast.Attribute: "attr", ast.keyword: "arg"}
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return {getattr(node, kinds[type(node)]) or "" for node in nodes if type(node) in kinds}


def rooms_of(module: str, rooms: dict) -> list[str]:
    """The rooms whose letters a module may use."""
    return [EVERYWHERE, *(room for room in rooms if f"{module}.".startswith(f"{room}."))]


def files_of(room: str) -> list[Path]:
    """The files of a room."""
    top = ROOT / ("" if room == "data_prep" else "hbt_jax") / room.replace(".", "/")
    return sorted(top.rglob("*.py")) or [path for path in [top.with_suffix(".py")] if path.is_file()]


def test_every_letter_is_in_the_legend_of_its_room():
    rooms, found = legend(), suffixes()
    assert len(found) > 100
    unknown = [
        f"{module}: {letter} of {', '.join(sorted(arrays))}"
        for (module, letter), arrays in found.items()
        if not any(letter in rooms[room] for room in rooms_of(module, rooms))
    ]
    assert not unknown


def test_a_letter_has_one_meaning_in_a_room_and_is_used_there():
    rooms, found = legend(), suffixes()
    for room, letters in rooms.items():
        if room != EVERYWHERE:
            assert not letters.keys() & rooms[EVERYWHERE].keys(), f"{room}: a letter that has a meaning everywhere"
    for letters in {id(letters): letters for letters in rooms.values()}.values():
        here = [room for room, others in rooms.items() if others is letters]
        used = {letter for module, letter in found if {*here} & {*rooms_of(module, rooms)}}
        written = " ".join(path.read_text(encoding="utf-8") for room in here for path in files_of(room))
        unused = [letter for letter in letters if letter not in used and not re.search(rf"\b{letter}\b", written)]
        assert not unused, f"{here}: letters that no array has"


def test_the_suffix_is_told_from_other_names():
    names_of_all_kinds = ("query_BD", "score_qS", "norms_2", "is_dir", "MAX_N", "T", "a_b")
    assert [bool(SUFFIX.search(name)) for name in names_of_all_kinds] == [
        True, True, True, False, False, False, False,
    ]  # fmt: skip
