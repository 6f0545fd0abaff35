"""Compiles an update and the evaluator for a slice and measures the programs."""

import dataclasses
import gzip
import hashlib
import importlib.metadata
import json
import re
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np
from jax.sharding import Mesh

from hbt_jax import json_text
from hbt_jax import mesh as meshes
from hbt_jax.compile_check import hlo
from hbt_jax.compile_check.chips import Slice, quiet
from hbt_jax.compile_check.collectives import Collective, collectives, moving_logits
from hbt_jax.compile_check.flops import Flops, matmul_flops
from hbt_jax.compile_check.roofline import Roofline, roofline
from hbt_jax.compile_check.stand_in import Case
from hbt_jax.compile_check.traffic import hbm_bytes
from hbt_jax.config.values import XLA
from hbt_jax.errors import InputError
from hbt_jax.evaluation.embedding.batching import row_lengths
from hbt_jax.evaluation.embedding.embed import encoding, share_tokens
from hbt_jax.files import atomic_file
from hbt_jax.training import step as steps

_GIB = 2**30
_PARTS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)  # numbers of chunks to try when looking for the largest chunk


@dataclasses.dataclass(frozen=True)
class Memory:
    """Bytes on one chip.

    Attributes:
      arguments: parameters, optimizer state and the batch.
      temporaries: the rest that the program needs; None if it is too large to compile.
      peak: arguments and temporaries, plus the program itself and the results that do not reuse an argument's memory.
        If the program is too large: arguments plus what the compiler says its temporaries need.
      limit: usable bytes.
    """

    arguments: float
    temporaries: float | None
    peak: float
    limit: float

    @property
    def fits(self) -> bool:
        """Whether the program compiles and runs."""
        return self.temporaries is not None and self.peak <= self.limit

    @property
    def spare(self) -> float:
        """The fraction of the usable bytes that is left; negative if it does not fit."""
        return 1.0 - self.peak / self.limit


@dataclasses.dataclass(frozen=True)
class Compilation:
    """A compiled program, or why there is none.

    Attributes:
      memory: of one chip.
      text: the optimized program, "" if it does not fit.
      seconds: wall-clock time of the compiler.
      cpu_seconds: its CPU time over all cores, which other programs on this machine do not affect.
    """

    memory: Memory
    text: str
    seconds: float
    cpu_seconds: float


@dataclasses.dataclass(frozen=True)
class Checked:
    """What is known of an update on a slice.

    Attributes:
      step, encode: the compiled update and evaluator.
      flops: of all chips, of the update as it is.
      needed: the same if there were no chunks and nothing (layers, scores) were recomputed.
      moved: collectives of the update.
      logits: those that move scores.
      roofline: times of the update, None if it does not fit.
      largest_chunk: the largest --encode_chunk that fits (0: all rows at once), None if none does or it was not asked.
      unknown_loops: loops that were counted as one trip.
    """

    step: Compilation
    encode: Compilation
    flops: Flops
    needed: Flops
    moved: list[Collective]
    logits: list[Collective]
    roofline: Roofline | None
    largest_chunk: int | None
    unknown_loops: list[str]


def check(case: Case, where: Slice, mesh: Mesh, find_chunk: bool, progress: Callable[[str], None]) -> Checked:
    """Compiles a case.

    Args:
      case: what is compiled.
      where: the slice.
      mesh: its devices.
      find_chunk: whether to look for the largest --encode_chunk, which compiles the update several times unless all
        rows fit at once.
      progress: told what is compiled.
    """
    progress(f"compiling the update: {case.rows} rows x {case.text.row_tokens} tokens a chip")
    done = compile_step(case, where, mesh)
    chunk = largest_chunk(case, done, lambda chunk: _tried(case, where, mesh, chunk, progress)) if find_chunk else None
    progress("compiling the evaluator")
    encode = compile_encode(case, where, mesh)
    flops = step_flops(case, mesh)
    needed = step_flops(case.with_memory(encode_chunk=0, loss_tile=2**30, remat="none", attention=XLA), mesh)
    if not done.text:
        return Checked(done, encode, flops, needed, [], [], None, chunk, [])
    program = hlo.parse(done.text)
    moved = collectives(program, mesh.shape)
    times = roofline(where, needed.counted, flops.on_the_unit, hbm_bytes(program), moved)
    return Checked(done, encode, flops, needed, moved, _logits(case, mesh, moved), times, chunk, program.unknown_loops)


def compile_step(case: Case, where: Slice, mesh: Mesh) -> Compilation:
    """The update of the train loop, for the slice."""
    state, batch = steps.abstract_state(case.step, mesh), case.batch(mesh)
    return _compiled(steps.make_train_step(case.step, mesh), where, state, batch)


def compile_encode(case: Case, where: Slice, mesh: Mesh) -> Compilation:
    """The evaluator's encoder for its largest block: whole rows of the longest texts."""
    length = int(row_lengths(case.text.longest)[-1])
    rows = max(1, share_tokens(mesh, case.eval_batch) // length)
    shape = (mesh.size, rows, length)
    sharding = meshes.batch_sharding(mesh)
    names = ("tokens", "segments", "positions")
    batch = {name: jax.ShapeDtypeStruct(shape, np.int32, sharding=sharding) for name in names}
    step = case.step
    encode = encoding(step.graph(mesh), step.pooling, step.normalize, mesh)
    return _compiled(encode, where, steps.abstract_state(step, mesh).parameters, batch)


def step_flops(case: Case, mesh: Mesh) -> Flops:
    """Matrix-product FLOPs of an update, of all chips."""
    update = steps.make_train_step(case.step, mesh)
    return matmul_flops(update, steps.abstract_state(case.step, mesh), case.batch(mesh))


def largest_chunk(case: Case, done: Compilation, fits: Callable[[int], bool]) -> int | None:
    """The largest --encode_chunk that fits, by bisection over the number of chunks; 0 for all rows at once.

    Args:
      case: the case as asked for.
      done: its compilation.
      fits: compiles with another chunk.
    """
    chunks = list(dict.fromkeys(0 if parts == 1 else -(-case.rows // parts) for parts in _PARTS))
    own = case.step.memory.encode_chunk
    known = {0 if own >= case.rows else own: done.memory.fits}

    def fitting(chunk: int) -> bool:
        if chunk not in known:
            known[chunk] = fits(chunk)
        return known[chunk]

    if fitting(0):
        return 0
    if not fitting(chunks[-1]):
        return None
    too_large, enough = 0, len(chunks) - 1
    while enough - too_large > 1:
        middle = (enough + too_large) // 2
        too_large, enough = (too_large, middle) if fitting(chunks[middle]) else (middle, enough)
    return chunks[enough]


def _tried(case: Case, where: Slice, mesh: Mesh, chunk: int, progress: Callable[[str], None]) -> bool:
    progress(f"compiling the update with --encode_chunk={chunk}")
    return compile_step(case.with_memory(encode_chunk=chunk), where, mesh).memory.fits


def _logits(case: Case, mesh: Mesh, moved: list[Collective]) -> list[Collective]:
    b, columns = case.global_batch // mesh.size, case.global_batch * case.passages
    tile = steps.loss_tile(case.step.memory.loss_tile, b, columns)
    width = case.step.encoder.embedding_width
    return moving_logits(moved, (b, case.global_batch), (columns, tile or columns), width)


def _compiled(function: Callable, where: Slice, *arguments) -> Compilation:
    lowered = function.lower(*arguments)
    if not where.cache:
        return _compile(lowered, where, arguments)
    versions = f"{jax.__version__} {importlib.metadata.version('libtpu')} {where.topology}"
    key = hashlib.sha256(f"{versions}\n{lowered.as_text()}".encode()).hexdigest()[:32]
    path = Path(where.cache) / f"{key}.json.gz"
    if path.is_file():
        try:
            kept = json_text.parsed(gzip.decompress(path.read_bytes()))
            return Compilation(**kept | {"memory": Memory(**kept["memory"])})
        except (EOFError, gzip.BadGzipFile, zlib.error, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path}: not what an earlier check wrote ({error}): remove it") from error
    made = _compile(lowered, where, arguments)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(str(path)) as file:
        file.write(gzip.compress(json.dumps(dataclasses.asdict(made)).encode()))
    return made


def _compile(lowered: jax.stages.Lowered, where: Slice, arguments: tuple) -> Compilation:
    held = sum(_bytes_of_a_chip(leaf) for leaf in jax.tree.leaves(arguments))
    clock, cpu = time.perf_counter(), time.process_time()
    try:
        with quiet(), tempfile.TemporaryDirectory() as folder:
            program = lowered.compile({"xla_dump_to": folder, "xla_dump_hlo_as_text": True})
            text = _written(Path(folder))
    except jax.errors.JaxRuntimeError as error:
        asked = re.search(r"\(([\d.]+)([KMG])\) exceeds available HBM", str(error))
        if "RESOURCE_EXHAUSTED" not in str(error) or not asked:
            raise
        wanted = float(asked[1]) * {"K": 2**10, "M": 2**20, "G": _GIB}[asked[2]]
        memory, text = Memory(held, None, held + wanted, where.chip.hbm), ""
    else:
        found = program.memory_analysis()
        results = found.output_size_in_bytes - found.alias_size_in_bytes + found.generated_code_size_in_bytes
        arguments_size, temporaries = found.argument_size_in_bytes, found.temp_size_in_bytes
        memory = Memory(arguments_size, temporaries, arguments_size + temporaries + results, where.chip.hbm)
    return Compilation(memory, text, time.perf_counter() - clock, time.process_time() - cpu)


def _written(folder: Path) -> str:
    """The optimized program as the compiler wrote it; `as_text` fails where libtpu is newer than the XLA of jaxlib."""
    (path,) = folder.glob("*after_optimizations.txt")
    return path.read_text(encoding="utf-8")


def _bytes_of_a_chip(leaf: jax.ShapeDtypeStruct) -> int:
    return int(np.prod(leaf.sharding.shard_shape(leaf.shape))) * leaf.dtype.itemsize
