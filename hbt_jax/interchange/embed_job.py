"""What launch/embed.py does once its flags are checked: read, embed, write, and print the nearest texts."""

import contextlib
import dataclasses
import itertools
import os
import sys
from collections.abc import Callable, Iterable

import jax
import numpy as np
from jax.sharding import Mesh
from tqdm import tqdm

from hbt_jax.config.embed import EmbedConfig
from hbt_jax.config.values import BINARY, INT8, WHOLE
from hbt_jax.errors import InputError, Interrupted
from hbt_jax.evaluation.embedding.embed import Embedder, check_finite
from hbt_jax.evaluation.embedding.quantization import as_compared, binary_rows, int8_rows
from hbt_jax.holding import held
from hbt_jax.interchange.embed_files import STANDARD_INPUT, InputTexts, TextInput, check_output, open_output
from hbt_jax.interchange.nearest import nearest, table
from hbt_jax.mesh import keep_compiled, make_mesh
from hbt_jax.models.model import Model
from hbt_jax.models.projection import truncated
from hbt_jax.training.load import load_as_asked
from hbt_jax.training.preemption import StopRequest

_TEXTS_A_PART = 16_384  # read, embedded and written together


@dataclasses.dataclass
class _Seen:
    """What was embedded: counts and, for --nearest, the texts that are not empty, with labels and vectors."""

    count: int = 0
    empty: int = 0
    ids: bool = False
    labels: list[str] = dataclasses.field(default_factory=list)
    texts: list[str] = dataclasses.field(default_factory=list)
    vectors: list[np.ndarray] = dataclasses.field(default_factory=list)

    def add(self, part: InputTexts, vectors_ND: np.ndarray, keep: bool) -> None:
        """Counts one part, and keeps it if wanted."""
        self.count += len(part.texts)
        self.empty += part.empty
        self.ids = part.ids is not None
        if keep:
            full = [index for index, text in enumerate(part.texts) if text.strip()]
            labels = part.ids or list(map(str, part.lines))
            self.labels += [labels[index] for index in full]
            self.texts += [part.texts[index] for index in full]
            self.vectors.append(vectors_ND[full])


def embed_command(config: EmbedConfig, stop: StopRequest) -> None:
    """Embeds the texts of --input into --output, and prints the nearest ones if --nearest asks for them.

    Raises:
      InputError: input, output or model is wrong, or another process is writing the output; input and output are
        checked before the model is loaded.
      Interrupted: a signal came.
    """
    with contextlib.ExitStack() as stack:
        if config.output:
            check_output(config.output)
            stack.enter_context(held(config.output, "--output", beside=True))
        _embed_command(config, stop)


def _embed_command(config: EmbedConfig, stop: StopRequest) -> None:
    poll = _poll(stop, "nothing is written; repeat the command")
    source = TextInput(config.input, config.field)
    if config.input == STANDARD_INPUT and os.isatty(0):
        print("reading texts from standard input, one per line; press Ctrl-D to end", file=sys.stderr)
    parts = source.parts(_TEXTS_A_PART, poll)
    parts = itertools.chain([next(parts)], parts)  # errors in the first part are reported before the model is loaded
    keep_compiled(config.compilation_cache_dir)
    mesh = _mesh(config.mesh_data)
    model = _model(config, mesh)
    for note in model.lines():
        print(note, flush=True)
    embedder = Embedder(model, mesh, texts_per_device=config.eval_batch, poll=poll, shown=False)
    seen = _embed(config, source, parts, embedder)
    print(_summary(config, model, seen, embedder.truncated), flush=True)
    if config.nearest:
        _print_nearest(seen, config.nearest, _poll(stop, "while the nearest texts were printed"))


def _poll(stop: StopRequest, state: str) -> Callable[[], None]:
    def poll() -> None:
        if stop.requested:
            raise Interrupted(state)

    return poll


def _mesh(mesh_data: int) -> Mesh:
    devices = jax.devices()
    if mesh_data > len(devices):
        raise InputError(f"--mesh_data={mesh_data}: there are only {len(devices)} devices; 0 takes all")
    return make_mesh(0, 1, devices[: mesh_data or None])


def _model(config: EmbedConfig, mesh: Mesh) -> Model:
    model = load_as_asked(config, config.checkpoint, mesh)
    if config.quantization == INT8 and config.output.endswith(".npy") and not model.normalize:
        raise InputError(
            f"--output={config.output} --quantization=int8: embeddings of {model.name} are compared by inner product,"
            " which needs the scale of each text: write .parquet, which has a column for it, or give --normalize"
        )
    return truncated(model, config.truncate_dim) if config.truncate_dim else model


def _embed(config: EmbedConfig, source: TextInput, parts: Iterable[InputTexts], embedder: Embedder) -> _Seen:
    seen = _Seen()
    with contextlib.ExitStack() as stack:
        write = stack.enter_context(open_output(config.output)) if config.output else None
        bar = stack.enter_context(tqdm(total=source.count(), desc="embedding", unit=" texts", disable=None))
        for part in parts:
            vectors_ND = embedder(part.texts, config.side, bar.update)
            check_finite(vectors_ND, embedder.model, _place(source.name, part.lines))
            compared_ND = as_compared(vectors_ND, config.quantization, embedder.model.normalize)
            seen.add(part, compared_ND, keep=config.nearest > 0)
            if write:
                write(part, *_written(vectors_ND, config.quantization))
        if config.nearest and len(seen.texts) < 2:
            raise InputError(f"--nearest={config.nearest}: expected two texts or more that are not empty, got 1")
    return seen


def _written(vectors_ND: np.ndarray, quantization: str) -> tuple[np.ndarray, np.ndarray | None]:
    """The vectors as they are written, and the scales of int8."""
    if quantization == INT8:
        return int8_rows(vectors_ND)
    return (binary_rows(vectors_ND) if quantization == BINARY else vectors_ND), None


def _place(name: str, lines: list[int]) -> Callable[[int], str]:
    return lambda number: f"{name}:{lines[number]}"


def _summary(config: EmbedConfig, model: Model, seen: _Seen, truncated: int) -> str:
    text, plural = model.text, {"query": "queries", "passage": "passages"}[config.side]
    prefix, longest = {
        "query": (text.query_prefix, text.query_length),
        "passage": (text.passage_prefix, text.passage_length),
    }[config.side]
    lines = [
        f"{model.name}: {seen.count:,} texts as {plural} (prefix {prefix!r}), {model.similarity};"
        f" {truncated:,} cut at {longest} tokens"
    ]
    if seen.empty:
        left_out = "; left out of --nearest" if config.nearest else ""
        lines.append(f"{seen.empty:,} of them empty: embedded as prefix and special tokens alone{left_out}")
    if config.output:
        without = "; it holds no ids; rows follow the input; write .parquet to keep ids"
        width = model.encoder.embedding_width
        kind, numbers = {INT8: (INT8, width), BINARY: ("uint8", -(-width // 8)), WHOLE: ("float32", width)}[
            config.quantization
        ]
        lines.append(
            f"{config.output}: {kind} [{seen.count}, {numbers}], one row per text"
            + (without if seen.ids and config.output.endswith(".npy") else "")
        )
    return "\n".join(lines)


def _print_nearest(seen: _Seen, count: int, poll: Callable[[], None]) -> None:
    found = nearest(np.concatenate(seen.vectors), count, poll)
    try:
        for line in table(seen.labels, seen.texts, found):
            print(line)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
