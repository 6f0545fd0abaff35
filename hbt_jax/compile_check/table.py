"""What was found about one configuration: as JSON values, and as a table for the terminal."""

import collections
import importlib.metadata
from collections.abc import Mapping

import jax
from jax.sharding import Mesh

from hbt_jax.compile_check.check import Checked, Compilation
from hbt_jax.compile_check.chips import Slice
from hbt_jax.compile_check.collectives import Collective
from hbt_jax.compile_check.roofline import ASSUMPTIONS
from hbt_jax.compile_check.stand_in import Case

_GIB = 2**30
_SHOWN = 8  # collectives by kind, axis, shape


def values(case: Case, where: Slice, mesh: Mesh, found: Checked, headroom: float) -> dict:
    """Everything that was found, as JSON values: bytes, seconds, FLOPs; fractions as such."""
    encoder, memory, times = case.step.encoder, case.step.memory, found.roofline
    return {
        "topology": where.topology,
        "chips": len(where.devices),
        "mesh": dict(mesh.shape),
        "versions": {name: importlib.metadata.version(name) for name in ("jax", "libtpu")},
        "model": {"vocabulary": encoder.vocab_size, "width": encoder.width, "layers": encoder.layers},
        "global_batch": case.global_batch,
        "rows_per_chip": case.rows,
        "row_tokens": case.text.row_tokens,
        "compute_dtype": case.step.compute_dtype,
        "options": {
            "encode_chunk": memory.encode_chunk,
            "loss_tile": memory.loss_tile,
            "remat": memory.remat,
            "attention": case.step.attention(mesh).on_rows_of(case.text.row_tokens),
            "scan_layers": memory.scan_layers is not False,
            "split_optimizer": memory.split_optimizer,
        },
        "update": _compilation(found.step, headroom),
        "evaluator": _compilation(found.encode, headroom),
        "largest_encode_chunk": found.largest_chunk,
        "flops_per_step": {"done": found.flops.counted, "needed": found.needed.counted},
        "collectives": [_collective(one, count) for one, count in grouped(found.moved)],
        "bytes_moved": sum(one.bytes for one in found.moved),
        "bytes_sent": sum(one.sent for one in found.moved),
        "bytes_once": bytes_once(case),
        "moves_logits": bool(found.logits),
        "loops_counted_as_one_trip": found.unknown_loops,
        "roofline": times
        and {
            "compute": times.compute,
            "memory": times.memory,
            "links": times.links,
            "least": times.least,
            "most": times.most,
            "mfu": list(times.mfu),
            "assumptions": list(ASSUMPTIONS),
        },
    }


def bytes_once(case: Case) -> float:
    """Bytes that a chip of a large ring sends to reduce all gradients once and gather all passages once, in float32."""
    trained = case.step.split(jax.eval_shape(case.step.initial_state).parameters)[0]
    numbers = sum(leaf.size for leaf in jax.tree.leaves(trained))
    return 4.0 * (2 * numbers + case.global_batch * case.passages * case.step.encoder.embedding_width)


def grouped(moved: list[Collective]) -> list[tuple[Collective, int]]:
    """Collectives that differ only in their place in the program, once, with their number; most bytes first."""
    groups: dict[tuple, list[Collective]] = collections.defaultdict(list)
    for one in moved:
        groups[one.kind, one.axis, one.arrays, one.times].append(one)
    found = [(ones[0], len(ones)) for ones in groups.values()]
    return sorted(found, key=lambda pair: -pair[0].bytes * pair[1])


def lines(found: Mapping) -> list[str]:
    """The table for the terminal, of what `values` gave."""
    mesh, options = found["mesh"], ", ".join(f"{name} {value}" for name, value in found["options"].items())
    chunk = found["largest_encode_chunk"]
    shown = [
        ("slice", f"{found['topology']}, {found['chips']} chips, mesh data {mesh['data']} x fsdp {mesh['fsdp']}"),
        ("update", f"{found['global_batch']:,} pairs, {found['rows_per_chip']} rows x {found['row_tokens']} a chip"),
        ("options", options),
        *_memory("update", found["update"]),
        *_memory("evaluator", found["evaluator"]),
    ]
    if found["roofline"]:
        shown += _times(found)
    if chunk is not None:
        shown.append(("largest --encode_chunk", f"{chunk}, all rows at once" if chunk == 0 else str(chunk)))
    made = [f"{name:<24}{text}" for name, text in shown]
    if found["loops_counted_as_one_trip"]:
        made.append(f"warning: loops of unknown length count once: {', '.join(found['loops_counted_as_one_trip'])}")
    return made


def _times(found: Mapping) -> list[tuple[str, str]]:
    times, flops = found["roofline"], found["flops_per_step"]
    low, high = times["mfu"]
    rows = [
        (
            "FLOPs of a step",
            f"{flops['done'] / 1e12:,.1f} T in matrix products, {flops['needed'] / 1e12:,.1f} T needed",
        ),
        (
            "roofline",
            f"{1e3 * times['least']:.1f} to {1e3 * times['most']:.1f} ms a step (matrix products"
            f" {1e3 * times['compute']:.1f}, HBM {1e3 * times['memory']:.1f}, links {1e3 * times['links']:.1f}),"
            f" MFU {low:.0%} to {high:.0%}",
        ),
        *(("  assumption", text) for text in times["assumptions"]),
        ("moved", f"{found['bytes_moved'] / 1e6:,.1f} MB a chip and step; logits: {_yes(found['moves_logits'])}"),
    ]
    for one in found["collectives"][:_SHOWN]:
        rows.append((f"  {one['kind']}", collective_text(one)))
    rest = found["collectives"][_SHOWN:]
    if rest:
        rows.append(("  others", f"{sum(one['bytes'] for one in rest) / 1e6:,.1f} MB in {len(rest)} kinds"))
    return rows


def collective_text(one: Mapping) -> str:
    """A group of collectives in words."""
    return f"{one['bytes'] / 1e6:,.1f} MB over {one['axis']}: {one['count']} x {one['times']} x {one['arrays']}"


def _memory(name: str, made: Mapping) -> list[tuple[str, str]]:
    limit = made["limit"] / _GIB
    parts = f"arguments {made['arguments'] / _GIB:.2f}"
    if made["temporaries"] is not None:
        parts += f" + temporaries {made['temporaries'] / _GIB:.2f}"
    verdict = "fits" if made["fits"] else "DOES NOT FIT"
    room = f", {made['spare']:.0%} to spare" if made["fits"] else ""
    enough = "" if made["roomy"] or not made["fits"] else f" (less than --headroom={made['headroom']})"
    return [
        (f"{name} memory", f"{verdict}: {parts}, peak {made['peak'] / _GIB:.2f} of {limit:.2f} GiB{room}{enough}"),
        (f"{name} compiled in", f"{made['seconds']:.0f} s, {made['cpu_seconds']:.0f} s of CPU"),
    ]


def _compilation(made: Compilation, headroom: float) -> dict:
    memory = made.memory
    return {
        "arguments": memory.arguments,
        "temporaries": memory.temporaries,
        "peak": memory.peak,
        "limit": memory.limit,
        "fits": memory.fits,
        "spare": memory.spare,
        "headroom": headroom,
        "roomy": memory.fits and memory.spare >= headroom,
        "seconds": made.seconds,
        "cpu_seconds": made.cpu_seconds,
    }


def _collective(one: Collective, count: int) -> dict:
    first = ", ".join(f"{array.dtype}{list(array.shape)}" for array in one.arrays[:2])
    return {
        "kind": one.kind,
        "axis": one.axis,
        "bytes": one.bytes * count,
        "count": count,
        "times": one.times,
        "arrays": first + (f" and {len(one.arrays) - 2} more" if len(one.arrays) > 2 else ""),
        "from": one.op_name,
    }


def _yes(flag: bool) -> str:
    return "MOVED" if flag else "not moved"
