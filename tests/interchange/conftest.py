"""One folder of each layout, one run of a preset and one with adapters, all tiny; and their exports."""

from pathlib import Path

import pytest

from hbt_jax.config.export import ExportConfig
from hbt_jax.config.learning import ModelConfig
from hbt_jax.interchange.export import export_command
from hbt_jax.training.preemption import StopRequest
from tests.data import make_stores
from tests.interchange import make_models


@pytest.fixture(scope="session")
def sources(tmp_path_factory) -> dict[str, Path]:
    """Name -> what is exported: the three layouts, `preset` and `lora`."""
    root = tmp_path_factory.mktemp("sources")
    found = {layout: make_models.folder_of(layout, root / layout) for layout in make_models.LAYOUTS}
    store = make_stores.make_store(root / "pairs", make_stores.parallel(6, 3), languages=("de", "no", "sw"))
    stores = {str(store.path): store.fingerprint, str(root / "gone"): "sha256:gone"}
    tokenizer = make_models.sentencepiece_file(root / "tokenizer")
    preset = ModelConfig(model="tiny", tokenizer=str(tokenizer), dropout=0.0)
    found["preset"] = make_models.run_of(root / "quick run", preset, stores=stores)
    adapted = ModelConfig(
        model=str(found["xlm-roberta"]), dropout=0.0, lora_rank=2, lora_layers=("1",), lora_targets=("query", "value")
    )
    found["lora"] = make_models.run_of(root / "adapted", adapted, stores=stores)
    return found


@pytest.fixture(scope="session")
def exports(sources, tmp_path_factory) -> dict[str, Path]:
    """Name -> the folder that it was exported to."""
    root = tmp_path_factory.mktemp("exports")
    for name, source in sources.items():
        export_command(ExportConfig(model=str(source), out=str(root / name)), StopRequest())
    return {name: root / name for name in sources}
