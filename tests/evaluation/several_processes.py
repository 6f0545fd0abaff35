"""Several processes of a job, played by threads that wait for each other as processes do."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from hbt_jax.evaluation.processes import Processes

ALONE = Processes(0, 1, bool)


def run_together(count: int, work: Callable[[Processes], object]) -> list:
    """What `work` returns, or the exception that it raises, on each of `count` processes."""
    barrier = threading.Barrier(count)
    flags = [False] * count

    def on(index: int):
        def agree(flag: bool) -> bool:
            flags[index] = flag
            barrier.wait(timeout=60)
            answer = any(flags)
            barrier.wait(timeout=60)
            return answer

        return work(Processes(index, count, agree))

    with ThreadPoolExecutor(count) as pool:
        futures = [pool.submit(on, index) for index in range(count)]
        return [future.exception() or future.result() for future in futures]
