"""Metrics survive a kill, are read one interval late, and rates leave out what is not training."""

import json

import jax.numpy as jnp
import pytest

from hbt_jax.errors import InputError
from hbt_jax.training.metrics_log import LateMetrics, MetricsLog, Throughput, read_metrics, training_curve


def test_a_resumed_log_drops_rows_after_its_step_and_a_half_line(tmp_path):
    log = MetricsLog(tmp_path, 0)
    for step in (10, 20, 30):
        log.write(step, "train", {"loss": 1.0 / step})
    log.close()
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 40, "spl')
    again = MetricsLog(tmp_path, 20)
    again.write(30, "train", {"loss": 0.5})
    again.close()
    assert [(row["step"], row["loss"]) for row in read_metrics(tmp_path)] == [(10, 0.1), (20, 0.05), (30, 0.5)]
    assert all(json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines())
    assert list((tmp_path / "tensorboard").iterdir())


@pytest.mark.parametrize(
    "tail", [b"\0\0\0\0", b'{"step": 2, "sp\0\0', b'{"step": 2, "split": "train", "a": "\xff', b"[" * 100_000]
)
def test_whatever_a_kill_leaves_of_the_last_line_is_ignored(tmp_path, tail):
    row = {"step": 1, "split": "train", "loss": 0.5}
    (tmp_path / "metrics.jsonl").write_bytes(json.dumps(row).encode() + b"\n" + tail)
    assert read_metrics(tmp_path) == [row]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"\0\0\0\0", r"not JSON \(Expecting value at column 1\)"),
        (b'{"step": 2, "spl', r"not JSON \(Unterminated string"),
        (b'"\xff"', r"not JSON \(not UTF-8 text"),
        (b"[" * 100_000, r"not JSON \(brackets are nested 100,000 deep"),
        (b'{"step": ' + b"1" * 5000 + b"}", r"not JSON \(a whole number has 5,000 digits"),
        (b"[1]", r"found \[1\]"),
        (b'{"split": "train", "loss": 0.5}', "found {"),
        (b'{"step": "2", "split": "train", "loss": 0.5}', "found {"),
        (b'{"step": 2, "split": null, "loss": 0.5}', "found {"),
        (b'{"step": 2, "split": "train"}', "no loss in it"),
        (b'{"step": 2, "split": "dev", "facts/multilingual/map": null}', "facts/multilingual/map is null"),
    ],
)
def test_a_damaged_line_is_named(tmp_path, line, message):
    row = b'{"step": 1, "split": "train", "loss": 0.5}\n'
    (tmp_path / "metrics.jsonl").write_bytes(row + line + b"\n" + row)
    for read in (read_metrics, training_curve, lambda workdir: MetricsLog(workdir, 1)):
        with pytest.raises(
            InputError, match=rf"metrics\.jsonl:2: {message}.*: expected an object .*: remove this line"
        ):
            read(tmp_path)


def test_no_file_is_no_rows(tmp_path):
    assert read_metrics(tmp_path) == []


def test_late_metrics_come_one_call_later():
    late = LateMetrics()
    assert late.swap([(1, {"loss": jnp.float32(2.0)})]) == []
    assert late.swap([(2, {"loss": jnp.float32(3.0)})]) == [(1, {"loss": 2.0})]
    assert late.swap([]) == [(2, {"loss": 3.0})]
    assert late.swap([]) == []


def test_throughput_leaves_out_time_away():
    now = [0.0]
    rate = Throughput(clock=lambda: now[0])
    now[0] = 2.0
    with rate.away():
        now[0] = 5.0
        with rate.away():
            now[0] = 10.0
    now[0] = 12.0
    assert rate.read(400) == pytest.approx(100.0)
    now[0] = 13.0
    assert rate.read(50) == pytest.approx(50.0)


def test_waiting_for_data_is_counted_apart():
    now = [0.0]
    rate = Throughput(clock=lambda: now[0])
    with rate.waiting():
        now[0] += 1.0
    now[0] += 3.0
    assert rate.read(8) == pytest.approx(2.0)
    with rate.waiting():
        now[0] += 1.0
    now[0] += 1.0
    rate.read(1)
    assert (rate.seconds, rate.waited) == (pytest.approx(6.0), pytest.approx(2.0))
