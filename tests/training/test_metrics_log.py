"""Metrics survive a kill, are read one interval late, and rates leave out what is not training."""

import json

import jax.numpy as jnp
import pytest

from hbt_jax.training.metrics_log import LateMetrics, MetricsLog, Throughput, read_metrics


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
