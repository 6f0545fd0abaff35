"""Code that needs only a run's model needs neither the optimizer's state nor the device that it was trained on."""

import json
import shutil

import jax
import numpy as np
import pytest

from hbt_jax.config.embed import EmbedConfig
from hbt_jax.config.export import ExportConfig
from hbt_jax.errors import InputError
from hbt_jax.interchange.embed_job import embed_command
from hbt_jax.interchange.export import export_command
from hbt_jax.mesh import make_mesh
from hbt_jax.training import step as steps
from hbt_jax.training import workdir
from hbt_jax.training.checkpoint import Checkpoints
from hbt_jax.training.load import load_model
from hbt_jax.training.preemption import StopRequest
from tests.training.lost_optimizer import without_optimizer

STEPS = {"last": 5, "best": 3}


@pytest.fixture(params=["preset", "lora"])
def runs(request, sources, tmp_path):
    """(a run, a copy of it whose last checkpoint has lost the optimizer's state)."""
    lost = shutil.copytree(sources[request.param], tmp_path / "lost")
    assert without_optimizer(lost / "checkpoints" / "last" / "5") > 0
    return sources[request.param], lost


@pytest.mark.parametrize("checkpoint", STEPS)
@pytest.mark.parametrize("devices", [1, 8])
def test_a_model_is_loaded(runs, checkpoint, devices):
    mesh = make_mesh(1, devices, jax.devices()[:devices])
    whole, lost = (load_model(str(run), checkpoint, mesh, "float32") for run in runs)
    assert (lost.step, lost.name) == (STEPS[checkpoint], f"lost ({checkpoint}, step {STEPS[checkpoint]})")
    target = steps.abstract_state(workdir.read_run(runs[1]).step_config, mesh).parameters
    leaves = [jax.tree.leaves(tree) for tree in (lost.parameters, whole.parameters, target)]
    for found, wanted, place in zip(*leaves, strict=True):
        assert found.sharding == place.sharding
        np.testing.assert_array_equal(found, wanted)
    checkpoints = Checkpoints(runs[1], read_only=True)
    with pytest.raises(InputError, match="last/5 cannot be read as this model"):  # which is why this test can fail
        checkpoints.restore_last(steps.abstract_state(workdir.read_run(runs[1]).step_config, mesh))
    checkpoints.close()


@pytest.mark.parametrize("attention", ["splash", "cudnn"])
def test_a_run_of_another_device_is_loaded_here(sources, attention, tmp_path):
    mesh, run = make_mesh(1, 1, jax.devices()[:1]), shutil.copytree(sources["preset"], tmp_path / "run")
    config = json.loads((run / "config.json").read_text(encoding="utf-8"))
    assert config["memory"]["attention"] == "auto"
    config["memory"]["attention"] = attention
    (run / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(InputError, match=f"--attention={attention} is for a"):  # which is why this test can fail
        workdir.read_run(run).step_config.graph(mesh)
    found, wanted = (load_model(str(folder), "last", mesh, "bfloat16") for folder in (run, sources["preset"]))
    assert found.graph == wanted.graph


def test_an_export_and_embeddings_are_made(runs, tmp_path):
    texts = tmp_path / "texts.txt"
    texts.write_text("one\ntwo\n", encoding="utf-8")
    for name, run in zip(("whole", "lost"), runs, strict=True):
        config = ExportConfig(model=str(run), checkpoint="last", out=str(tmp_path / f"{name} export"))
        export_command(config, StopRequest())
        vectors = str(tmp_path / f"{name}.npy")
        config = EmbedConfig(model=str(run), checkpoint="last", input=str(texts), output=vectors, mesh_data=1)
        embed_command(config, StopRequest())
    weights = [(tmp_path / f"{name} export" / "model.safetensors").read_bytes() for name in ("whole", "lost")]
    assert weights[0] == weights[1]
    np.testing.assert_array_equal(np.load(tmp_path / "whole.npy"), np.load(tmp_path / "lost.npy"))


def test_an_mteb_model_is_made(runs):
    pytest.importorskip("mteb", reason="the extra `mteb` is not installed")
    from hbt_jax.interchange.mteb_model import HbtModel

    revisions = [HbtModel.load(str(run), "last").mteb_model_meta.revision for run in runs]
    assert revisions[0] == revisions[1]


def test_a_run_without_validation_gives_its_last_parameters_as_its_best(runs, tmp_path):
    shutil.rmtree(runs[1] / "checkpoints" / "best")
    mesh = make_mesh(1, 1, jax.devices()[:1])
    best, last = (load_model(str(runs[1]), checkpoint, mesh, "float32") for checkpoint in ("best", "last"))
    assert best.step == last.step == 5
    for found, wanted in zip(jax.tree.leaves(best.parameters), jax.tree.leaves(last.parameters), strict=True):
        np.testing.assert_array_equal(found, wanted)
