"""Every transfer between chips in a program: what kind, along which axis of the mesh, how many bytes, how often."""

import dataclasses
import math
import re
from collections.abc import Mapping, Sequence

import numpy as np

from hbt_jax.compile_check.hlo import Array, Computation, Instruction, Program, arrays
from hbt_jax.connected import first_connected

KINDS = ("all-gather", "all-reduce", "reduce-scatter", "all-to-all", "collective-permute", "ragged-all-to-all")
_ALL = "data x fsdp"


@dataclasses.dataclass(frozen=True)
class Collective:
    """A collective of the program.

    Attributes:
      kind: one of KINDS; an all-reduce after which each chip keeps only its part counts as a reduce-scatter.
      axis: the axis of the mesh along which chips take part, "data x fsdp" for all, or the groups as written.
      members: chips that take part together.
      arrays: what is moved: the whole of what is gathered, reduced or scattered, for each chip.
      times: how often it runs in a step.
      op_name: what in the Python program it comes from.
    """

    kind: str
    axis: str
    members: int
    arrays: tuple[Array, ...]
    times: int
    op_name: str

    @property
    def bytes(self) -> float:
        """Bytes of `arrays` over all runs of a step."""
        return self.times * sum(array.bytes for array in self.arrays)

    @property
    def sent(self) -> float:
        """Bytes that a chip sends in a step, when groups are rings."""
        if self.kind == "collective-permute":
            return self.bytes
        return self.bytes * (self.members - 1) / self.members * (2 if self.kind == "all-reduce" else 1)


def collectives(program: Program, mesh_shape: Mapping[str, int]) -> list[Collective]:
    """The collectives that run in a program, those that move most first.

    Args:
      program: the optimized program.
      mesh_shape: axis -> chips, in order.
    """
    found, seen = [], set()
    for where, one, times in program.executed():
        scatter = _scattered(program, one)
        inside = [scatter] if scatter else [one] if _kind(one) else _in_fusion(program, one)
        for each in inside:
            channel = re.search(r"channel_id=(\d+)", each.attributes)
            if each is not one and not scatter and channel:  # begun, continued and ended in several fusions
                if channel[1] in seen:
                    continue
                seen.add(channel[1])
            place = where if each is one else program.computations[one.attribute("calls")]
            found.append(_collective(each, place, times, mesh_shape, bool(scatter)))
    return sorted(found, key=lambda one: -one.bytes)


def moving_logits(found: Sequence[Collective], rows: Sequence[int], columns: Sequence[int], width: int) -> list:
    """Those collectives that move scores of queries against passages.

    Args:
      found: the collectives.
      rows: numbers of queries: of a device, of all.
      columns: numbers of passages: of all, of a tile.
      width: of embeddings; an array with a side of this size holds embeddings, not scores.
    """

    def is_scores(array: Array) -> bool:
        sides = [side for side in array.shape if side > 1]
        if len(sides) != 2 or width in sides:
            return False
        return any(sides[one] in rows and sides[1 - one] in columns for one in (0, 1))

    return [one for one in found if any(is_scores(array) for array in one.arrays)]


def _kind(one: Instruction) -> str:
    kind = one.opcode.removesuffix("-start")
    return kind if kind in KINDS else ""


def _scattered(program: Program, one: Instruction) -> Instruction | None:
    """The all-reduce inside a fusion that keeps only each chip's part of the result."""
    called = one.attribute("calls")
    if one.opcode != "fusion" or not called.startswith("all-reduce-scatter"):
        return None
    inside = program.computations[called].instructions.values()
    return next((each for each in inside if each.opcode == "all-reduce"), None)


def _in_fusion(program: Program, one: Instruction) -> list[Instruction]:
    called = one.attribute("calls")
    if one.opcode != "fusion" or called not in program.computations:
        return []
    return [each for each in program.computations[called].instructions.values() if _kind(each)]


def _collective(
    one: Instruction, where: Computation, times: int, mesh_shape: Mapping[str, int], is_scatter: bool
) -> Collective:
    kind = "reduce-scatter" if is_scatter else _kind(one)
    result = one.arrays
    if one.opcode.endswith("-start"):  # (operands, results, ...)
        result = result[len(one.operands) : 2 * len(one.operands)] or result
    moved = _operands(one, where) if kind in ("reduce-scatter", "all-to-all") and not is_scatter else result
    groups = _groups(one.attributes, math.prod(mesh_shape.values()))
    axis, members = _axis(groups, mesh_shape) if groups else (_written(one.attributes), 1)
    return Collective(kind, axis, members, moved, times, one.op_name)


def _operands(one: Instruction, where: Computation) -> tuple[Array, ...]:
    given = arrays(one.argument)
    return given or tuple(array for name in one.operands for array in where.instructions[name].arrays)


def _axis(groups: list[list[int]], mesh_shape: Mapping[str, int]) -> tuple[str, int]:
    """The axis along which the groups lie, and how many chips a group has."""
    chips = np.arange(math.prod(mesh_shape.values())).reshape(tuple(mesh_shape.values()))
    members = len(groups[0])
    wanted = {frozenset(group) for group in groups}
    if members == chips.size:
        return _ALL, members
    for place, axis in enumerate(mesh_shape):
        lines = np.moveaxis(chips, place, -1).reshape(-1, chips.shape[place])
        if wanted == {frozenset(line.tolist()) for line in lines}:
            return axis, members
    return f"groups of {members}", members


def _groups(attributes: str, chips: int) -> list[list[int]]:
    """Which chips take part together; [] if that cannot be read."""
    pairs = re.search(r"source_target_pairs=\{([\d,{}]*)\}", attributes)
    if pairs:
        return _connected(np.array(re.findall(r"\d+", pairs[1]), int).reshape(-1, 2), chips)
    listed = re.search(r"replica_groups=\{((?:\{[\d,]*\},?)*)\}", attributes)
    if listed:
        found = [[int(chip) for chip in group.split(",")] for group in re.findall(r"\{([\d,]+)\}", listed[1])]
        return found or [list(range(chips))]
    iota = re.search(r"replica_groups=\[([\d,]+)\]<=(\[[\d,]+\](?:T\([\d,]+\))?)", attributes)
    if iota:
        return _counted(iota[2]).reshape([int(side) for side in iota[1].split(",")]).tolist()
    named = re.search(r"replica_groups=mesh\[([^\]]*)\](?:,\s*device_ids=\((.*?)\)\s)?\s*\{([^}]*)\}", attributes)
    return _named_groups(*named.groups()) if named else []


def _counted(text: str) -> np.ndarray:
    """Chips in the order of "[2,4]T(1,0)": counted in that shape, transposed; or of a list of numbers."""
    sides, order = re.fullmatch(r"\[?([\d,]+)\]?(?:T\(([\d,]+)\))?", text).groups()
    sides = [int(side) for side in sides.split(",")]
    if not text.startswith("["):
        return np.array(sides)
    axes = [int(axis) for axis in order.split(",")] if order else range(len(sides))
    return np.arange(math.prod(sides)).reshape(sides).transpose(axes).reshape(-1)


def _named_groups(mesh: str, order: str | None, taking_part: str) -> list[list[int]]:
    """Groups written with the axes of a mesh: mesh['a'=4,'b'=2] {'b'}, perhaps with the order of its chips."""
    sides = {name: int(size) for name, size in re.findall(r"'(\w+)'=(\d+)", mesh)}
    names = re.findall(r"'(\w+)'", taking_part)
    if ":(" in taking_part or not set(names) <= set(sides):  # parts of an axis
        return []
    count = math.prod(sides.values())
    chips = (_counted(order) if order else np.arange(count)).reshape(tuple(sides.values()))
    places = [list(sides).index(name) for name in names]
    last = np.moveaxis(chips, places, range(-len(places), 0))
    return last.reshape(-1, math.prod(sides[name] for name in names)).tolist()


def _connected(pairs: np.ndarray, chips: int) -> list[list[int]]:
    """The groups of chips that the pairs connect."""
    first = first_connected(pairs.T, chips)
    groups = [np.flatnonzero(first == chip).tolist() for chip in np.unique(first)]
    return [group for group in groups if len(group) > 1]


def _written(attributes: str) -> str:
    found = re.search(r"(replica_groups|source_target_pairs)=(.{0,40})", attributes)
    return found[2] if found else "unknown"
