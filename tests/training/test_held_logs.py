"""What Orbax logs is kept back while it may also be raised, and nothing is lost."""

import logging
import sys
from types import SimpleNamespace

import pytest

from hbt_jax.training.held_logs import HeldLogs


def log(
    path: str = "/site-packages/orbax/checkpoint/x.py", error: Exception | None = None, logger: str = "absl"
) -> None:
    info = (type(error), error, None) if error else None
    logging.getLogger(logger).handle(logging.LogRecord(logger, logging.ERROR, path, 1, "failed", (), info))


@pytest.fixture
def logs():
    held = HeldLogs(lambda error: isinstance(error, OSError))
    yield held
    held.close()
    logging.getLogger("asyncio").removeFilter(held)  # it stays for the rest of a run whose save failed


def test_an_error_that_is_raised_is_not_shown(logs, caplog):
    log(error=OSError("full"))
    logs.drop()
    logs.show()
    assert caplog.records == []


def test_an_error_that_is_not_raised_is_shown_later(logs, caplog):
    log(error=OSError("full"))
    log(error=OSError("full"))
    assert caplog.records == []
    logs.show()
    assert len(caplog.records) == 2
    logs.show()
    assert len(caplog.records) == 2


def test_the_end_shows_what_is_left_and_keeps_nothing_back(logs, caplog):
    log(error=OSError("full"))
    logs.close()
    log(error=OSError("full"))
    assert len(caplog.records) == 2


def test_everything_else_is_shown_at_once(logs, caplog):
    log(error=ValueError("a bug"))
    log(path="/site-packages/other/x.py", error=OSError("full"))
    log()
    assert len(caplog.records) == 3


def test_what_futures_hold_belongs_to_the_failed_save(logs, caplog):
    future = {"path": "/lib/asyncio/base_events.py", "logger": "asyncio"}
    log(error=OSError("full"), **future)
    assert caplog.records == []
    logs.show()
    assert len(caplog.records) == 1
    log(error=OSError("full"), **future)
    logs.drop()
    log(error=OSError("full"), **future)  # late
    logs.close()
    log(error=OSError("full"), **future)  # later still
    assert len(caplog.records) == 1
    log(error=ValueError("a bug"), **future)
    assert len(caplog.records) == 2


def in_a_callback(error: Exception) -> None:
    sys.unraisablehook(SimpleNamespace(exc_value=error))


def test_callbacks_that_find_the_loop_closed_belong_to_the_failed_save(monkeypatch):
    shown = []
    monkeypatch.setattr(sys, "unraisablehook", shown.append)
    held = HeldLogs(lambda error: True)
    in_a_callback(RuntimeError("Event loop is closed"))
    in_a_callback(RuntimeError("a bug"))
    assert [str(args.exc_value) for args in shown] == ["a bug"]
    held.show()
    assert [str(args.exc_value) for args in shown] == ["a bug", "Event loop is closed"]
    in_a_callback(RuntimeError("Event loop is closed"))
    held.drop()
    held.close()
    in_a_callback(RuntimeError("Event loop is closed"))  # late
    in_a_callback(RuntimeError("another bug"))
    assert [str(args.exc_value) for args in shown] == ["a bug", "Event loop is closed", "another bug"]


def test_without_a_failure_nothing_stays_changed(monkeypatch):
    before = sys.unraisablehook
    HeldLogs(lambda error: True).close()
    assert sys.unraisablehook is before
