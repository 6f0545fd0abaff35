"""The report on every flag file for TPUs, in Markdown; each is checked in a process of its own."""

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from hbt_jax.compile_check.chips import SLICES
from hbt_jax.compile_check.table import collective_text
from hbt_jax.errors import InputError

FLAGFILES = "launch/flagfiles/tpu"
SHARED = "recipe"  # the flag file that the others include
HEADROOM = 0.2
COMPILE_SECONDS = 60
MOVED = 1.3  # bytes that a chip may send, as a multiple of `bytes_once`
_GIB = 2**30
_GOALS = ("xlmr_base_v5e_256", "xlmr_base_v5e_256_batch_131072", "xlmr_large_v5e_256")
_COMPARED = {  # title -> (flag file, flags of each row)
    "Optimizer state split over all chips (`--split_optimizer`)": (
        "xlmr_base_v5e_256",
        ((), ("--nosplit_optimizer",)),
    ),
    "Parameters split as well (`--mesh_fsdp`)": ("xlmr_base_v5e_256", ((), ("--mesh_fsdp=16",))),
    "What is computed again (`--remat`)": ("xlmr_base_v5e_256", (("--remat=dots",), ("--remat=full",))),
}
_COLLECTIVES = 6

Checks = Callable[[str, Sequence[str]], dict]


def report(root: Path, program_cache: str, progress: Callable[[str], None]) -> str:
    """The text of the report; compiles every flag file, which takes minutes each unless a program is in the cache.

    Args:
      root: folder of launch/.
      program_cache: as --program_cache.
      progress: told what is compiled.

    Raises:
      InputError: a flag file names no slice, or a check failed; the message is that of its command.
    """
    known: dict[tuple, dict] = {}

    def checked(name: str, flags: Sequence[str] = ()) -> dict:
        if (name, *flags) not in known:
            progress(" ".join([name, *flags]))
            chunk = [] if flags else ["--largest_chunk"]
            known[name, *flags] = _run(root, name, [*flags, *chunk], program_cache)
        return known[name, *flags]

    names = [path.stem for path in sorted((root / FLAGFILES).glob("*.flags")) if path.stem != SHARED]
    for name in names:
        slice_of(name)
    found = {name: checked(name) for name in names}
    return "\n".join(
        [*_head(next(iter(found.values()))), *_table(found), *_goals(found), *_compared(checked), *_ends(found)]
    )


def slice_of(name: str) -> str:
    """The slice in a flag file's name, v4-32 for xlmr_base_v4_32; raises InputError if it names none."""
    for one in SLICES:
        if re.search(rf"_{one.replace('-', '_')}(_|$)", name):
            return one
    raise InputError(f"{FLAGFILES}/{name}.flags: its name has no slice in it: expected one of {', '.join(SLICES)}")


def _run(root: Path, name: str, flags: Sequence[str], program_cache: str) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / "found.json"
        command = [
            *(sys.executable, str(root / "launch" / "compile_check.py"), "--stand_in", "--nolargest_chunk"),
            f"--flagfile={FLAGFILES}/{name}.flags",
            f"--topology={slice_of(name)}",
            f"--json={written}",
            f"--program_cache={program_cache}",
            f"--headroom={HEADROOM}",
            *flags,
        ]
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, encoding="utf-8", check=False)
        if done.returncode:
            raise InputError(f"{name}: {done.stderr.strip().splitlines()[-1].removeprefix('error: ')}")
        return json.loads(written.read_text(encoding="utf-8"))


def _head(found: Mapping) -> list[str]:
    versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    return f"""# What the flag files for TPUs need and move

No TPU was used: the real update and the real evaluator were compiled ahead of time for each slice, and the programs
were counted. Times are estimates from peak rates (see the end), not measurements. [Training](training.md) says how to
check a configuration of your own. Written by

<!-- takes many minutes -->
```
pip install -c constraints.txt -e '.[tpu]'
python launch/compile_check.py --report=docs/tpu_report.md --program_cache=runs/compiled
```

on {datetime.now(UTC).date()} with {versions}. GiB are those of one chip. Every query has 32 tokens and every passage
128, the most that the recipe allows.
""".splitlines()


def _table(found: Mapping[str, Mapping]) -> list[str]:
    columns = [
        *("flag file", "pairs", "rows a chip", "arguments", "temporaries", "peak of limit", "to spare", "evaluator"),
        *("chunk", "moved, MB", "time, ms", "MFU", "compiled, s (CPU s)"),
    ]
    rows = []
    for name, one in found.items():
        chunk = one["largest_encode_chunk"]
        rows.append(
            [
                *(f"`{name}`", f"{one['global_batch']:,}", str(one["rows_per_chip"]), *_memory(one)),
                *(f"{one['evaluator']['peak'] / _GIB:.2f}", "none" if chunk is None else str(chunk)),
                *(f"{one['bytes_moved'] / 1e6:,.0f}" if one["roofline"] else "-", *_time(one), _compiled(one)),
            ]
        )
    return [
        "",
        "## Every flag file",
        "",
        f"Files of `{FLAGFILES}`. *chunk* is the largest `--encode_chunk` that fits, 0 for all rows at once; *time* is",
        "given fully overlapped and not overlapped.",
        "",
        *_markdown(columns, rows),
    ]


def _goals(found: Mapping[str, Mapping]) -> list[str]:
    rows = []
    for name in _GOALS:
        one, made = found[name], found[name]["update"]
        ratio = one["bytes_sent"] / one["bytes_once"]
        compiled = f"{made['seconds']:.0f} s, {made['cpu_seconds']:.0f} s of CPU"
        rows.append(
            [
                f"`{name}`",
                f"{_verdict(made['roomy'])}: {made['spare']:.0%} free",
                f"{_verdict(not one['moves_logits'])}: {'moved' if one['moves_logits'] else 'not moved'}",
                f"{_verdict(ratio <= MOVED)}: {ratio:.2f} times",
                f"{_verdict(made['seconds'] <= COMPILE_SECONDS)}: {compiled}",
            ]
        )
    listed = []
    for name in _GOALS:
        listed.append(f"- `{name}`")
        listed += [f"  - {each['kind']}: {collective_text(each)}" for each in found[name]["collectives"][:_COLLECTIVES]]
    return [
        "",
        "## Goals",
        "",
        f"A large batch leaves {HEADROOM:.0%} of the memory free, moves no scores between chips, compiles within"
        f" {COMPILE_SECONDS} s,",
        f"and a chip sends at most {MOVED} times what it takes to reduce the gradients (float32, a ring) and gather the"
        " embeddings once.",
        "",
        *_markdown(["flag file", "memory", "scores", "bytes sent", "compilation"], rows),
        "",
        "What they move, most bytes first: bytes of a chip and step, axis, count x runs x arrays.",
        "",
        *listed,
    ]


def _compared(checked: Checks) -> list[str]:
    made = ["", "## Compared"]
    columns = ["arguments", "temporaries", "peak of limit", "to spare", "moved, MB", "sent, MB", "links, ms"]
    for title, (name, ways) in _COMPARED.items():
        rows = []
        for flags in ways:
            one, own = checked(name, flags), " ".join(f"`{flag}`" for flag in flags) or "its own flags"
            moved = [f"{one[key] / 1e6:,.0f}" if one["roofline"] else "-" for key in ("bytes_moved", "bytes_sent")]
            links = f"{1e3 * one['roofline']['links']:.1f}" if one["roofline"] else "-"
            rows.append([own, *_memory(one), *moved, links, *_time(one)])
        made += ["", f"### {title}", "", *_markdown([f"`{name}` with", *columns, "time, ms", "MFU"], rows)]
    return made


def _ends(found: Mapping[str, Mapping]) -> list[str]:
    assumed = next(one["roofline"]["assumptions"] for one in found.values() if one["roofline"])
    rows = ["", "## How the times are estimated", "", *(f"- {text}" for text in assumed)]
    unknown = sorted(name for name, one in found.items() if one["loops_counted_as_one_trip"])
    if unknown:
        rows += ["", f"Loops of unknown length, counted as one trip, are in: {', '.join(unknown)}."]
    return [*rows, ""]


def _markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (columns, ["---"] * len(columns), *rows)]


def _memory(one: Mapping) -> list[str]:
    """Arguments, temporaries, peak of limit, to spare."""
    made = one["update"]
    return [
        f"{made['arguments'] / _GIB:.2f}",
        "too large" if made["temporaries"] is None else f"{made['temporaries'] / _GIB:.2f}",
        f"{made['peak'] / _GIB:.2f} of {made['limit'] / _GIB:.2f}",
        f"{made['spare']:.0%}" if made["fits"] else "**does not fit**",
    ]


def _time(one: Mapping) -> list[str]:
    """Time and MFU."""
    times = one["roofline"]
    if not times:
        return ["-", "-"]
    return [f"{1e3 * times['least']:.0f} to {1e3 * times['most']:.0f}", "{:.0%} to {:.0%}".format(*times["mfu"])]


def _compiled(one: Mapping) -> str:
    return f"{one['update']['seconds']:.0f} ({one['update']['cpu_seconds']:.0f})"


def _verdict(is_met: bool) -> str:
    return "met" if is_met else "**missed**"
