"""Ends a process of a job at once when another one has ended; without this it would keep waiting for that one.

Process 0 listens, the others connect to it and stay connected.  A process that leaves says so first; the kernel closes
the connections of one that is killed, and keep-alive probes find a host that is gone.  JAX's own heartbeats take longer
and abort the process; where no connection can be made, only they remain.
"""

import contextlib
import dataclasses
import json
import secrets
import socket
import sys
import threading
import time
import traceback
from collections.abc import Iterator

import jax

from hbt_jax.ending import end_at_once
from hbt_jax.errors import InputError, Interrupted, TrainingDiverged
from hbt_jax.mesh import from_first_process

_CONNECT_SECONDS = 10
_GRACE_SECONDS = 10  # if all processes fail, each has this long to print its own error
_LAST_SECONDS = 1  # process 0 outlives the others by this: it runs JAX's service, whose end aborts them
_PROBES = (("TCP_KEEPIDLE", 10), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 4))  # a lost host is found after 30 seconds
_DONE, _FAILED, _LOST = "done", "failed", "lost"
_EXIT_FAILED = 1


@contextlib.contextmanager
def watched(coordinator: str) -> Iterator[None]:
    """Ends this process with one clear line and exit code 1 if another of the job ends during the block.

    A process that fails alone ends without waiting for the others, which JAX would do.

    Args:
      coordinator: --coordinator; every process of the job must come here once it has joined.
    """
    if jax.process_count() == 1:
        yield
        return
    peers = _first(coordinator) if jax.process_index() == 0 else _other()
    try:
        yield
    except (Interrupted, TrainingDiverged):  # of all processes
        peers.leave(_DONE)
        raise
    except InputError as error:
        peers.leave(_FAILED)
        error.at_once = True
        raise
    except BaseException:
        time.sleep(_LAST_SECONDS)  # another process's end may have caused the error: wait to hear of it
        if peers.heard:
            peers.end(*peers.heard)
        traceback.print_exc()
        peers.leave(_FAILED)
        end_at_once(_EXIT_FAILED)
    peers.leave(_DONE)


@dataclasses.dataclass
class _Peers:
    """The connections of this process: to all others for process 0, else to process 0.

    Attributes:
      connections, hosts, watchers: of each process connected to.
      leaving: whether this process ends by itself.
      heard: how another process ended unexpectedly: (failed or lost, its number, its host).
    """

    connections: dict[int, socket.socket] = dataclasses.field(default_factory=dict)
    hosts: dict[int, str] = dataclasses.field(default_factory=dict)
    watchers: list[threading.Thread] = dataclasses.field(default_factory=list)
    leaving: bool = False
    heard: tuple[str, int, str] | None = None
    lock: threading.Lock = dataclasses.field(default_factory=threading.Lock)

    def add(self, process: int, host: str, connection: socket.socket) -> None:
        """Watches one connection from now on."""
        self.connections[process], self.hosts[process] = connection, host
        self.watchers.append(threading.Thread(target=self._watch, args=(process,), daemon=True))
        self.watchers[-1].start()

    def leave(self, how: str) -> None:
        """Says how this process ends; process 0 lets failing others end first."""
        self.leaving = True
        self._tell(how, jax.process_index(), socket.gethostname())
        if how == _FAILED and jax.process_index() == 0:
            until = time.monotonic() + _GRACE_SECONDS + _LAST_SECONDS
            for watcher in self.watchers:
                watcher.join(max(0.0, until - time.monotonic()))
            for connection in self.connections.values():
                with contextlib.suppress(OSError):  # timed out
                    connection.settimeout(max(0.1, until - time.monotonic()))
                    while connection.recv(1):
                        pass

    def _tell(self, word: str, process: int, host: str) -> None:
        for connection in self.connections.values():
            with contextlib.suppress(OSError):
                connection.sendall((json.dumps([word, process, host]) + "\n").encode())

    def _watch(self, process: int) -> None:
        """Reads what another process says until it ends; ends this process if that end was unexpected."""
        said = _LOST, process, self.hosts[process]
        with contextlib.suppress(OSError, ValueError), self.connections[process].makefile() as lines:
            said = json.loads(lines.readline() or json.dumps(said))
        if said[0] == _DONE or self.leaving:
            return
        with self.lock:  # only one thread may do this
            self.heard = tuple(said)
            if jax.process_index() == 0:
                self._tell(*said)
            time.sleep(_GRACE_SECONDS if said[0] == _FAILED else 0)
            if not self.leaving:
                self.end(*said)

    def end(self, word: str, process: int, host: str) -> None:
        """Ends this process because another one has ended."""
        how = "has failed, see its message" if word == _FAILED else "has ended: it was killed, or its host is lost"
        print(
            f"\nerror: process {process} of this job, on host {host}, {how}; process {jax.process_index()} cannot go on"
            " without it: run the same command on every host again, which resumes from the last checkpoint",
            file=sys.stderr,
            flush=True,
        )
        if jax.process_index() == 0:
            time.sleep(_LAST_SECONDS)
        end_at_once(_EXIT_FAILED)


def _first(coordinator: str) -> _Peers:
    """Process 0 of the job: waits for the others."""
    peers, token = _Peers(), secrets.token_hex()
    with socket.create_server(("", 0), backlog=jax.process_count()) as server:
        from_first_process([_addresses(coordinator), server.getsockname()[1], token])
        until = time.monotonic() + _CONNECT_SECONDS
        while len(peers.connections) < jax.process_count() - 1 and (left := until - time.monotonic()) > 0:
            server.settimeout(left)
            with contextlib.suppress(OSError, ValueError):
                connection, _ = server.accept()
                connection.settimeout(left)
                given, process, host = json.loads(_line(connection))
                if given == token:
                    peers.add(process, host, _kept_alive(connection))
    missing = sorted(set(range(1, jax.process_count())) - peers.connections.keys())
    if missing:
        print(f"note: no connection from process {missing}: its end would be noticed late", file=sys.stderr, flush=True)
    return peers


def _other() -> _Peers:
    """Another process of the job: connects to process 0."""
    addresses, port, token = from_first_process(None)
    peers = _Peers()
    for address in addresses:
        with contextlib.suppress(OSError):
            connection = socket.create_connection((address, port), _CONNECT_SECONDS / len(addresses))
            connection.sendall((json.dumps([token, jax.process_index(), socket.gethostname()]) + "\n").encode())
            peers.add(0, address, _kept_alive(connection))
            break
    return peers


def _line(connection: socket.socket) -> bytes:
    """One short line; byte by byte, so that what follows is left in the connection."""
    found = b""
    while not found.endswith(b"\n") and len(found) < 1000 and (byte := connection.recv(1)):
        found += byte
    return found


def _kept_alive(connection: socket.socket) -> socket.socket:
    connection.settimeout(None)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _PROBES:
        if hasattr(socket, name):  # not every system has them
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return connection


def _addresses(coordinator: str) -> list[str]:
    """The addresses at which the other hosts may reach this one."""
    if coordinator != "auto":
        return [coordinator.rpartition(":")[0].strip("[]")]
    found = [socket.gethostname()]
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # sends nothing; chooses the interface that leads outside
        found.insert(0, probe.getsockname()[0])
    return found
