"""The model-index of a card: our benchmarks and mteb's tasks, as the hub reads them."""

import json

import huggingface_hub

from hbt_jax.interchange.model_index import model_index

RESULT = {"benchmark": "xquad-r", "metrics": {"monolingual": {"map": 0.5}, "cross_lingual": {},
          "multilingual": {"map": 0.25, "rank_distance": 12.5}}}  # fmt: skip
SUBSETS = [{"hf_subset": "de", "main_score": 0.75}, {"hf_subset": "pl", "main_score": 0.5}]
TASK = {"task_name": "STS22.v2", "dataset_revision": "abc", "scores": {"test": SUBSETS}}


def test_nothing_is_listed_without_scores():
    assert model_index("m", [], []) == []


def test_the_hub_reads_it(tmp_path):
    index = model_index("m", [RESULT], [TASK])
    path = tmp_path / "README.md"
    path.write_text(f"---\nlicense: unknown\nmodel-index: {json.dumps(index)}\n---\n# m\n")
    found = huggingface_hub.ModelCard.load(path).data.eval_results
    values = {(one.dataset_name, one.metric_name, one.dataset_config): one.metric_value for one in found}
    assert values == {
        ("xquad-r", "mAP, monolingual", None): 0.5,
        ("xquad-r", "mAP, multilingual", None): 0.25,
        ("xquad-r", "rank distance, multilingual", None): 12.5,
        ("MTEB STS22.v2", "main score", "de"): 0.75,
        ("MTEB STS22.v2", "main score", "pl"): 0.5,
    }
