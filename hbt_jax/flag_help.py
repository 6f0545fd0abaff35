"""The text of --help: what a command does, then its flags in groups, in the order a reader wants."""

import shutil
import textwrap
from collections.abc import Iterable, Mapping

from absl import flags

_WIDTH, _MARGIN = 100, 6
OTHERS = "Options"


def help_text(description: str, groups: Mapping[str, Iterable[str]], known: flags.FlagValues) -> str:
    """The text of --help.

    Args:
      description: what the command does, its module's docstring.
      groups: heading -> names of flags below it.
      known: the flags.
    """
    width = min(_WIDTH, shutil.get_terminal_size().columns)
    lines = [description.strip(), ""]
    for heading, names in groups.items():
        shown = [name for name in names if name in known]
        if shown:
            lines += [f"{heading}:", *(_flag(known[name], width) for name in shown), ""]
    return "\n".join([*lines, "--flagfile=FILE reads flags from a file, one per line.  Try --helpfull for all flags."])


def _flag(flag: flags.Flag, width: int) -> str:
    """A flag with its help and default, wrapped."""
    name = f"[no]{flag.name}" if flag.boolean else flag.name
    default = f" (default: {flag.default_as_str})" if flag.default not in (None, "", []) else ""
    body = textwrap.wrap(f"{flag.help}{default}", width - _MARGIN, break_long_words=False, break_on_hyphens=False)
    return "\n".join([f"  --{name}", *(" " * _MARGIN + line for line in body)])
