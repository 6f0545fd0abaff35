"""TensorBoard reads what is written; a full disk is an error of the writer, not of a thread."""

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from hbt_jax.errors import InputError
from hbt_jax.training.metrics_log import MetricsLog, read_metrics
from hbt_jax.training.tracking.event_file import EventFile


def test_tensorboard_reads_steps_and_values(tmp_path):
    for start in (0, 20):  # a run and its continuation
        events = EventFile(tmp_path)
        for step in (start + 10, start + 20):
            events.write(step, {"train/loss": 1.0 / step, "train/accuracy": 0.5})
        events.close()
    found = EventAccumulator(str(tmp_path)).Reload()
    assert sorted(found.Tags()["tensors"]) == ["train/accuracy", "train/loss"]
    losses = [(event.step, event.tensor_proto.float_val[0]) for event in found.Tensors("train/loss")]
    assert losses == [(step, pytest.approx(1.0 / step)) for step in (10, 20, 30, 40)]
    assert all(event.wall_time > 1e9 for event in found.Tensors("train/loss"))


@pytest.mark.parametrize("full", ["metrics", "events"])
def test_a_full_disk_is_one_line(tmp_path, monkeypatch, full):
    log = MetricsLog(tmp_path, 0)
    log.write(1, "train", {"loss": 2.0})
    log.close()
    disk = open("/dev/full", "w" if full == "metrics" else "wb")  # noqa: SIM115
    if full == "metrics":
        log._file = disk
    else:
        log = MetricsLog(tmp_path, 1)
        log._events._records._writer = log._events._file = disk
    with pytest.raises(
        InputError, match=f"{tmp_path}: the disk is full; make room, .* by --workdir; the last complete"
    ):
        log.write(2, "train", {"loss": 1.0})
    with pytest.raises(OSError, match="No space left"):
        disk.close()
    assert read_metrics(tmp_path)[0]["loss"] == 2.0
