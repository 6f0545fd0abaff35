"""Lets every terminal show what commands print: characters that its encoding lacks become escapes, never errors.

Most commands print texts of users, and names of files and languages.  ASCII (`LC_ALL=C`, `PYTHONIOENCODING=ascii`),
Latin-1 and cp1252 lack most of their letters, and no encoding has the bytes of a file name that is not UTF-8.
"""

import io
import sys


def escape_what_cannot_be_shown() -> None:
    r"""Makes standard output and standard error write \uXXXX for characters that their encoding lacks.

    The encoding stays that of the environment.  Streams that are not Python's own text streams are left alone.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
