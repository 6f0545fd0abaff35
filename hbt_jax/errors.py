"""How a run can end without a bug; each error has its own exit code."""


class InputError(Exception):
    """Bad input: a wrong flag, file, row or combination.

    The message is one line that says what is wrong, where (file and line if there is one), what was expected and what
    to do.  Commands print it without a traceback and exit with code 2.

    Attributes:
      at_once: whether the process has to end without waiting for the others of its job, which may keep running.
    """

    at_once = False


class Interrupted(Exception):
    """A signal stopped the run after its state was saved; commands exit with code 3 and a later run resumes.

    Attributes:
      at_once: whether the process has to end without waiting for its threads, one of which still compiles.
    """

    def __init__(self, message: str, *, at_once: bool = False):
        super().__init__(message)
        self.at_once = at_once


class TrainingDiverged(Exception):
    """The loss is no longer finite; commands exit with code 1.  The last checkpoint is from before that."""
