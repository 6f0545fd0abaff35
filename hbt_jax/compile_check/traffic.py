"""Bytes between HBM and the cores: what each instruction of the optimized program reads and writes there.

An operand counts whole, except where only a part is read (slices and look-ups) or written (updates of a part in place).
Data that is already on the core is not counted.
"""

from hbt_jax.compile_check.collectives import KINDS
from hbt_jax.compile_check.hlo import Computation, Instruction, Program

_FREE = {"parameter", "constant", "tuple", "get-tuple-element", "bitcast", "while", "conditional", "call", "iota"}
_FREE |= {"async-start", "async-update", "after-all"}  # the computations they call are counted instead
_PARTS = {"dynamic-slice", "gather", "slice"}
_MOVES = {*KINDS, "tuple", "parameter", "custom-call"}  # opcodes inside a fusion around a collective
_THROUGH = {"bitcast", "copy", "convert", "reshape"}


def hbm_bytes(program: Program) -> float:
    """Bytes that a step moves between HBM and the cores of one chip."""
    return sum(times * _of(program, where, one) for where, one, times in program.executed())


def _of(program: Program, where: Computation, one: Instruction) -> float:
    if one.opcode in _FREE or one.opcode.endswith("-done"):
        return 0.0
    inside = program.computations.get(one.attribute("calls")) if one.opcode == "fusion" else None
    if one.opcode in _PARTS:
        return 2 * _result(one)
    if one.opcode in ("dynamic-update-slice", "scatter"):
        return 2 * _hbm(where.instructions[one.operands[-1 if one.opcode == "scatter" else 1]])
    if one.opcode.endswith("-start"):
        return sum(array.bytes for array in one.arrays if array.in_hbm)
    reads = 0.0
    for place, name in enumerate(one.operands):
        size = _hbm(where.instructions[name])
        reads += min(size, _read(inside, place, size)) if inside else size
    writes = _written(inside, one) if inside else _result(one)
    return reads + writes


def _result(one: Instruction) -> float:
    return sum(array.bytes for array in one.arrays if array.in_hbm)


def _hbm(one: Instruction) -> float:
    return 0.0 if one.opcode == "constant" else _result(one)


def _read(inside: Computation, place: int, size: float) -> float:
    """Bytes read of a fusion's operand."""
    if place >= len(inside.parameters):
        return size
    name = inside.parameters[place].name
    users = [one for one in inside.instructions.values() if name in one.operands]
    parts = 0.0
    for one in users:
        if one.opcode in _PARTS and one.operands[0] == name:
            parts += sum(array.bytes for array in one.arrays)
        elif one.opcode in _MOVES or (one.opcode == "dynamic-update-slice" and one.operands[0] == name):
            continue  # moved between chips (counted for the links), passed through, or updated in place
        else:
            return size
    return parts


def _written(inside: Computation, fusion: Instruction) -> float:
    """Bytes that a fusion writes."""
    root = inside.root
    results = [inside.instructions[name] for name in root.operands] if root.opcode == "tuple" else [root]
    if len(results) != len(fusion.arrays):
        return _result(fusion)
    total = 0.0
    for array, result in zip(fusion.arrays, results, strict=True):
        while result.opcode in _THROUGH and result.operands:
            result = inside.instructions[result.operands[0]]
        if result.opcode == "dynamic-update-slice":
            total += sum(part.bytes for part in inside.instructions[result.operands[1]].arrays)
        elif array.in_hbm and result.opcode not in _MOVES:
            total += array.bytes
    return total
