"""What the processes of a job decide together: to stop, and to save because of the time."""

from collections.abc import Callable

import jax

from hbt_jax.mesh import any_process


class Agreement:
    """Gives every process the same answer to a question that each can only answer for itself.

    One process alone is answered at once.  Several agree at every n-th question only, since agreeing is a collective
    that makes the host wait; in between the answer is no.  All processes must ask equally often.

    Args:
      question: this process's own answer.
      every: n.
    """

    def __init__(self, question: Callable[[], bool], every: int):
        self._question, self._every, self._asked = question, every, 0
        self._is_alone = jax.process_count() == 1

    def alone(self) -> bool:
        """Whether this process answers yes and need not agree with others."""
        return self._is_alone and self._question()

    def __call__(self) -> bool:
        """Whether any process answers yes."""
        if self._is_alone:
            return self._question()
        self._asked += 1
        return self._asked % self._every == 0 and any_process(self._question())
