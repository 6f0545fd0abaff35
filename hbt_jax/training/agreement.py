"""What the processes of a job agree on: that they started alike, when to stop, and when a timed save is due."""

import collections
import hashlib
import json
import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax

import hbt_jax
from hbt_jax.config.training import TrainConfig
from hbt_jax.data.plan import Plan
from hbt_jax.errors import InputError
from hbt_jax.mesh import any_process, from_each_process

# Options that name paths on one host; the content is compared by fingerprint or identified by its name.
_OF_A_HOST = {"store_cache", "stores", "validation_stores", "model", "tokenizer", "data_dir", "prepared_dir",
              "dev_benchmarks"}  # fmt: skip


def check_started_alike(config: TrainConfig, data: Mapping[str, Any], plan: Plan) -> None:
    """Compares what the processes of the job were started with.  A collective: every process must call it.

    Args:
      config: the configuration.
      data: fingerprints of what is read, by name.
      plan: the batches.

    Raises:
      InputError: on every process, if something differs; names it and the processes and hosts that differ.
    """
    if jax.process_count() == 1:
        return
    facts = {f"--{name}": value for name, value in config.options().items() if name not in _OF_A_HOST}
    facts |= {
        "hbt_jax": hbt_jax.__version__,
        "jax": jax.__version__,
        "plan of batches": _digest(plan, config.run.steps),
    }
    facts |= data
    found = from_each_process([socket.gethostname(), {name: json.dumps(value) for name, value in facts.items()}])
    differences = odd_ones([host for host, _ in found], [facts for _, facts in found])
    if differences:
        raise InputError(
            f"the processes of this job were not started alike: {'; '.join(differences)}: give every host the same"
            " command, data and version"
        )


def odd_ones(hosts: Sequence[str], facts: Sequence[Mapping[str, str]]) -> list[str]:
    """For each fact that differs, names the processes that differ from most others (on a tie, from process 0).

    Args:
      hosts: name of each process's host.
      facts: of each process, by name.

    >>> odd_ones(["a", "b", "c"], [{"--seed": "1"}, {"--seed": "2"}, {"--seed": "1"}])
    ['--seed is 2 on process 1 (host b), 1 on the others']
    """
    differences = []
    for name in dict.fromkeys(name for of_one in facts for name in of_one):
        values = [of_one.get(name, "absent") for of_one in facts]
        usual = collections.Counter(values).most_common(1)[0][0]  # the first of equally common ones
        odd = [
            f"{value} on process {process} (host {host})"
            for process, (host, value) in enumerate(zip(hosts, values, strict=True))
            if value != usual
        ]
        if odd:
            differences.append(f"{name} is {', '.join(odd)}, {usual} on the others")
    return differences


def _digest(plan: Plan, steps: int) -> str:
    """A digest of the first and the last batch; the last one depends on what all steps before it drew."""
    digest = hashlib.sha256()
    for step in (0, steps - 1):
        batch = plan.batch(step)
        digest.update(f"{batch.kind} {batch.store}".encode())
        for array in (batch.pairs, batch.query_language, batch.passage_language, batch.negatives):
            digest.update(array.tobytes())
    return digest.hexdigest()[:16]


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
