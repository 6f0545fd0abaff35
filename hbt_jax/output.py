"""What a command prints, on any terminal: what the output's encoding lacks is shown as an escape, never an error.

Texts of users, names of files and languages are printed by most commands.  A stream in ASCII (`LC_ALL=C`,
`PYTHONIOENCODING=ascii`), Latin-1 or cp1252 has no letter for most of them, and no encoding has one for the bytes of a
file's name that is not UTF-8.
"""

import io
import sys


def escape_what_cannot_be_shown() -> None:
    r"""Makes standard output and standard error write \uXXXX for characters that their encoding lacks.

    The encoding stays what the environment says.  A stream that is no text stream of Python's own is left alone.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
