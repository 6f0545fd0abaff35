"""Says whether a configuration fits a TPU slice, and what it would move and take there; needs no TPU.

    python launch/compile_check.py --flagfile=launch/flagfiles/tpu/xlmr_base_v5e_16.flags --topology=v5e-16 --stand_in
    python launch/compile_check.py --report=docs/tpu_report.md

It compiles the update of launch/train.py and the encoder of launch/eval.py ahead of time with libtpu (the extra `tpu`)
and prints a table and JSON: memory of a chip, the largest --encode_chunk that fits, FLOPs, collectives, a roofline
estimate of the time of a step.  The flags of launch/train.py describe the configuration.  --report does so for every
file in launch/flagfiles/tpu.
"""

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from hbt_jax import flags as command  # noqa: E402
from hbt_jax.compile_check.chips import known_topologies, open_slice, set_environment  # noqa: E402
from hbt_jax.config.compile_check import CompileCheckConfig  # noqa: E402
from hbt_jax.config.training import TRAIN_PARTS, TrainConfig  # noqa: E402
from hbt_jax.errors import InputError  # noqa: E402
from hbt_jax.files import atomic_file, utf8  # noqa: E402
from hbt_jax.holding import held  # noqa: E402


def check_one(config: TrainConfig, options: CompileCheckConfig) -> dict:
    """Compiles one configuration; what was found, as JSON values."""
    where = open_slice(options.topology, options.program_cache)
    # These import jax: only after the flags have been checked and the environment has been set.
    from hbt_jax.compile_check.check import check
    from hbt_jax.compile_check.stand_in import real_case, stand_in_case
    from hbt_jax.compile_check.table import values
    from hbt_jax.mesh import make_mesh

    mesh = make_mesh(config.mesh.mesh_data, config.mesh.mesh_fsdp, where.devices)
    case = stand_in_case(config, options, mesh.size) if options.stand_in else real_case(config, options, mesh)
    found = check(case, where, mesh, options.largest_chunk, lambda text: print(text, file=sys.stderr, flush=True))
    return values(case, where, mesh, found, options.headroom)


@contextlib.contextmanager
def output(path: str, flag: str) -> Iterator[None]:
    """Holds the file that a flag names, if any, while the block runs; raises InputError if it cannot be written."""
    if not path:
        yield
        return
    if os.path.isdir(path):
        raise InputError(f"{flag}={path}: a folder: expected the name of a file")
    with held(path, flag, beside=True):
        yield


def write(path: str, text: str) -> None:
    """Writes a file; raises InputError if it cannot be written."""
    try:
        with atomic_file(path) as file:
            file.write(utf8(text))
    except OSError as error:
        raise InputError(f"{path}: cannot write there: {error.strerror or error}") from error


def main(_: list[str]) -> None:
    """Checks one configuration, or writes the report."""
    set_environment()
    options = command.values(CompileCheckConfig)
    if options.report:
        from hbt_jax.compile_check.report import report

        with output(options.report, "--report"):
            write(options.report, report(ROOT, options.program_cache, lambda text: print(text, flush=True)))
        return
    if not options.topology:
        raise InputError(f"--topology is needed: {known_topologies()}")
    with output(options.json, "--json"):
        _check_one(options)


def _check_one(options: CompileCheckConfig) -> None:
    found = check_one(TrainConfig(**{part: command.values(kind) for part, kind in TRAIN_PARTS.items()}), options)
    from hbt_jax.compile_check.table import lines

    print("\n".join(lines(found)))
    if options.json:
        write(options.json, json.dumps(found, indent=1) + "\n")
    else:
        print(json.dumps(found))


if __name__ == "__main__":
    command.define(*TRAIN_PARTS.values(), CompileCheckConfig)
    command.run_command(main)
