"""Reads the text of an optimized HLO program: its instructions, and how often each runs.

A loop's trip count is not written in the program of a TPU.  It follows from the loop's condition (`counter <
constant`), the counter's first value, and what the body adds to it.
"""

import dataclasses
import functools
import math
import re
from collections.abc import Iterator

BYTES = {"pred": 1, "s8": 1, "u8": 1, "s16": 2, "u16": 2, "bf16": 2, "f16": 2, "s32": 4, "u32": 4, "f32": 4}
BYTES |= {"s64": 8, "u64": 8, "f64": 8, "f8e4m3fn": 1, "f8e5m2": 1, "s4": 0.5, "u4": 0.5}
_ARRAY = re.compile(r"\b([a-z]+\d*(?:e\d+m\d+\w*)?)\[([\d,]*)\](\{[^}]*\})?")
_INSTRUCTION = re.compile(r"^\s+(ROOT )?%([\w.-]+) = (.*)$")
_COMPUTATION = re.compile(r"^(ENTRY )?%([\w.-]+) \(")
_NAME = re.compile(r"%([\w.-]+)")
_FOLLOWED = 40  # instructions between a counter and what is added to it


@dataclasses.dataclass(frozen=True)
class Array:
    """An array type: its dtype, its shape, and whether it lies in HBM."""

    dtype: str
    shape: tuple[int, ...]
    in_hbm: bool = True

    @property
    def bytes(self) -> float:
        """Its size without padding."""
        return BYTES.get(self.dtype, 0) * math.prod(self.shape)


@dataclasses.dataclass(frozen=True)
class Instruction:
    """One line of a computation.

    Attributes:
      name, opcode: as written, without %.
      arrays: the types of its result, of a tuple all of them.
      operands: names of its operands.
      attributes: the text after the operands.
      is_root: whether it is its computation's result.
      argument: the text between the brackets, such as a constant's value.
    """

    name: str
    opcode: str
    arrays: tuple[Array, ...]
    operands: tuple[str, ...]
    attributes: str
    is_root: bool
    argument: str

    def attribute(self, name: str) -> str:
        """The name of the computation after `name=`, "" if there is none."""
        found = re.search(rf"\b{name}=%([\w.-]+)", self.attributes)
        return found[1] if found else ""

    @functools.cached_property
    def op_name(self) -> str:
        """What in the Python program it comes from."""
        found = re.search(r'op_name="([^"]*)"', self.attributes)
        return found[1] if found else ""


@dataclasses.dataclass(frozen=True)
class Computation:
    """A computation: its instructions by name, in order."""

    name: str
    instructions: dict[str, Instruction]

    @functools.cached_property
    def root(self) -> Instruction:
        """Its result."""
        return next(found for found in self.instructions.values() if found.is_root)

    @functools.cached_property
    def parameters(self) -> list[Instruction]:
        """Its parameters, in order."""
        found = [one for one in self.instructions.values() if one.opcode == "parameter"]
        return sorted(found, key=lambda one: int(one.argument))


@dataclasses.dataclass(frozen=True)
class Program:
    """A program: its computations by name, and the name of the first one to run."""

    computations: dict[str, Computation]
    entry: str

    @functools.cached_property
    def runs(self) -> dict[str, int]:
        """How often each computation runs that is not part of another instruction, as fusions and reducers are."""
        found: dict[str, int] = {}

        def add(name: str, times: int) -> None:
            found[name] = found.get(name, 0) + times
            for one in self.computations[name].instructions.values():
                if one.opcode == "while":
                    add(one.attribute("body"), times * (self.trips(name, one) or 1))
                elif one.opcode in ("call", "async-start"):
                    called = one.attribute("to_apply") or one.attribute("calls")
                    if called in self.computations:
                        add(called, times)
                elif one.opcode == "conditional":
                    for branch in _branches(one):
                        add(branch, times)

        add(self.entry, 1)
        return found

    def executed(self) -> Iterator[tuple[Computation, Instruction, int]]:
        """Yields every instruction that runs by itself with its computation and how often it runs."""
        for name, times in self.runs.items():
            for one in self.computations[name].instructions.values():
                yield self.computations[name], one, times

    @functools.cached_property
    def unknown_loops(self) -> list[str]:
        """Names of loops whose trip count could not be read; they are counted as one trip."""
        return [
            one.name for where, one, _ in self.executed() if one.opcode == "while" and not self.trips(where.name, one)
        ]

    def trips(self, where: str, loop: Instruction) -> int | None:
        """The trip count of the loop `loop` in the computation `where`; None if it cannot be read."""
        said = re.search(r'"known_trip_count":\{"n":"(\d+)"', loop.attributes)
        if said:
            return int(said[1])
        condition, body = (self.computations[loop.attribute(name)] for name in ("condition", "body"))
        if condition.root.opcode != "compare" or "direction=LT" not in condition.root.attributes:
            return None
        counter, limit = (condition.instructions[name] for name in condition.root.operands)
        index = re.search(r"index=(\d+)", counter.attributes)
        last, at = _constant(limit), int(index[1]) if index else None
        if at is None or last is None or body.root.opcode != "tuple":
            return None
        first = self._value(self.computations[where], self._tuple_item(where, loop.operands[0], at), at)
        step = self._value(body, body.root.operands[at], at)
        if first is None or step is None or first[0] or not (step[0] and step[1]):
            return None
        return -(-(last - first[1]) // step[1])

    def _tuple_item(self, where: str, name: str, at: int) -> str:
        """The name of an item of a tuple."""
        one = self.computations[where].instructions[name]
        return one.operands[at] if one.opcode == "tuple" else name

    def _value(self, where: Computation, name: str, counter: int, given=None, left: int = _FOLLOWED):
        """A scalar as (whether the loop's counter is in it, what is added to that); None if it is something else.

        Args:
          where: the computation.
          name: the scalar's instruction.
          counter: the counter's place in the body's parameter.
          given: of a fused computation, the values of its parameters.
          left: how many more instructions are followed.
        """
        one = where.instructions[name]
        if not left:
            return None

        def operand(place: int):
            return self._value(where, one.operands[place], counter, given, left - 1)

        if one.opcode == "constant":
            value = _constant(one)
            return None if value is None else (0, value)
        if one.opcode == "parameter" and given is not None:
            return given[int(one.argument)]
        if one.opcode == "get-tuple-element":
            place, source = int(re.search(r"index=(\d+)", one.attributes)[1]), where.instructions[one.operands[0]]
            if source.opcode == "parameter":
                return (1, 0) if place == counter else None
            if source.opcode == "fusion":
                return self._fused(where, source, counter, left, place)
            return None
        if one.opcode == "fusion":
            return self._fused(where, one, counter, left, None)
        if one.opcode in ("copy", "bitcast", "convert", "reshape"):
            return operand(0)
        if one.opcode == "add":
            parts = operand(0), operand(1)
            return None if None in parts else (parts[0][0] + parts[1][0], parts[0][1] + parts[1][1])
        return None

    def _fused(self, where: Computation, fusion: Instruction, counter: int, left: int, place: int | None):
        inside = self.computations[fusion.attribute("calls")]
        given = [self._value(where, name, counter, None, left - 1) for name in fusion.operands]
        root = inside.root.name if place is None else inside.root.operands[place]
        return self._value(inside, root, counter, given, left - 1)


def parse(text: str) -> Program:
    """The program that `compiled.as_text()` gave."""
    computations, entry, name, lines = {}, "", "", {}
    for line in text.splitlines():
        start = _COMPUTATION.match(line)
        if start and line.endswith("{"):
            name, lines = start[2], {}
            entry = name if start[1] else entry
            computations[name] = Computation(name, lines)
            continue
        found = _INSTRUCTION.match(line)
        if found and name:
            lines[found[2]] = _instruction(found[2], bool(found[1]), found[3])
    return Program(computations, entry)


def arrays(text: str) -> tuple[Array, ...]:
    """The array types in a text; memory space S(1) and above is on the core."""
    return tuple(
        Array(dtype, tuple(int(side) for side in shape.split(",") if side), "S(" not in layout)
        for dtype, shape, layout in _ARRAY.findall(text)
    )


def _instruction(name: str, is_root: bool, text: str) -> Instruction:
    end = _closing(text) + 1 if text.startswith("(") else text.index(" ")
    opcode, _, rest = text[end:].strip().partition("(")
    close = _closing("(" + rest) - 1
    argument, attributes = rest[:close], rest[close + 1 :]
    return Instruction(name, opcode, arrays(text[:end]), tuple(_NAME.findall(argument)), attributes, is_root, argument)


def _closing(text: str) -> int:
    """The place of the bracket that closes the first one."""
    depth = 0
    for place, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if not depth:
            return place
    return len(text)


def _constant(one: Instruction) -> int | None:
    return int(one.argument) if one.opcode == "constant" and re.fullmatch(r"-?\d+", one.argument) else None


def _branches(one: Instruction) -> list[str]:
    listed = re.search(r"branch_computations=\{([^}]*)\}", one.attributes)
    if listed:
        return _NAME.findall(listed[1])
    return [one.attribute(name) for name in ("true_computation", "false_computation")]
