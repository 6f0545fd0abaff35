"""The library transformers, imported when it is needed and kept quiet.

Without PyTorch it says at import that models are not available, which is of no concern here: only its configurations
and tokenizers are used.
"""

import contextlib
import os
from collections.abc import Iterator
from types import ModuleType

_NO_ADVICE = "TRANSFORMERS_NO_ADVISORY_WARNINGS"


@contextlib.contextmanager
def transformers() -> Iterator[ModuleType]:
    """The library; while the context is open it only reports errors."""
    library = _imported()
    before = library.logging.get_verbosity()
    library.logging.set_verbosity_error()
    try:
        yield library
    finally:
        library.logging.set_verbosity(before)


def _imported() -> ModuleType:
    before = os.environ.get(_NO_ADVICE)
    os.environ[_NO_ADVICE] = "1"
    try:
        import transformers as library
    finally:
        if before is None:
            del os.environ[_NO_ADVICE]
        else:
            os.environ[_NO_ADVICE] = before
    return library
