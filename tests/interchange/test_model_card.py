"""The card names the data, the training, the results of these very weights, and nothing that is not so."""

import json
import re
import shutil
from pathlib import Path

import huggingface_hub
import pytest

from hbt_jax import __version__
from hbt_jax.config.export import ExportConfig
from hbt_jax.config.learning import ModelConfig
from hbt_jax.errors import InputError
from hbt_jax.interchange.export import export_command
from hbt_jax.interchange.revision import revision
from hbt_jax.mesh import make_mesh
from hbt_jax.training.load import load_model
from hbt_jax.training.preemption import StopRequest
from tests.interchange import make_models

METRICS = {"map": 0.5, "recall@1": 0.25, "recall@10": 0.75, "R@1": 0.125, "R@10": 0.6875}


def card_of(model: Path, out: Path, **changes) -> str:
    export_command(ExportConfig(model=str(model), out=str(out), **changes), StopRequest())
    return (out / "README.md").read_text(encoding="utf-8")


def front_matter(card: str) -> dict:
    """The fields between the two lines of hyphens; each value is JSON, which is YAML too."""
    _, fields, _ = card.split("---\n", 2)
    return {name: json.loads(value) for name, value in (line.split(": ", 1) for line in fields.splitlines())}


def put_results(folder: Path, benchmark: str, parts: dict | None = None, **settings) -> Path:
    """Writes results of step 3; `parts` take the place of its metrics and robustness, or are further ones."""
    text = {"query_prefix": "query: ", "passage_prefix": "passage: ", "query_length": 16, "passage_length": 24}
    content = {
        "benchmark": benchmark,
        "settings": {"step": 3, "pooling": "mean", **text, **settings},
        "counts": {"queries": {"de": 1000, "no": 200}, "candidates": {"de": 2000, "sw": 3}},
        "metrics": {
            "monolingual": METRICS,
            "cross_lingual": {},
            "multilingual": METRICS | {"map": 0.125, "rank_distance": 1234.56},
        },
        "robustness": {
            "monolingual": {"worst_language": "no", "worst": 0.4},
            "cross_lingual": {},
            "multilingual": {"worst_language": "sw", "worst": 0.1},
        },
        **(parts or {}),
    }
    file = folder / benchmark / "results.json"
    file.parent.mkdir(parents=True)
    make_models.write_json(file, content)
    return file


def test_the_card_of_a_run(sources, exports):
    card = (exports["preset"] / "README.md").read_text(encoding="utf-8")
    assert front_matter(card) == {
        "language": ["de", "no", "sw"],
        "license": "unknown",
        "library_name": "sentence-transformers",
        "pipeline_tag": "sentence-similarity",
        "tags": ["sentence-transformers", "sentence-similarity", "feature-extraction", "hbt_jax"],
    }
    for line in (
        "# preset",
        "A text encoder for retrieval in 3 languages: queries and passages become vectors of 128 numbers, compared by",
        "With [sentence-transformers](https://www.sbert.net) 2.7 or later, which",
        'model = SentenceTransformer("preset")',
        "python launch/eval.py --model=preset ",
        '| Prefix of queries | `"query: "` |',
        "| Longest text | 24 tokens, prefix and special tokens included; the rest is cut |",
        "- made (train): 6 pairs of a query and a passage, in 3 languages; fingerprint `sha256:",
        "- gone: the store no longer existed when the model was exported, or held other data; fingerprint"
        " `sha256:gone`",
        "Languages: German (`de`), Norwegian (`no`), Swahili (`sw`).",
        "| Start | random weights of the preset `tiny` |",
        "| Batches | hybrid, alpha 0.25: with that probability a batch is in one language (x-x-mono), otherwise",
        "| Steps | 3 of 5, checkpoint `best`, validation loss 1.5000 |",
        "| Batch | 64 pairs; the other pairs' passages are negatives |",
        "| Longest text | 16 tokens of a query, 24 of a passage |",
        "| Learning rate | 3e-05, linear after 0 steps of warm-up |",
        "| Seed | 7 |",
        "The run's folder held no results of these weights when they were exported.",
        f"Exported by hbt_jax {__version__} with jax ",
    ):
        assert line in card
    assert str(sources["preset"].parent) not in card


def test_the_card_names_the_release_of_the_data(sources, tmp_path):
    shutil.copytree(sources["preset"], tmp_path / "run")
    config = json.loads((tmp_path / "run" / "config.json").read_text(encoding="utf-8"))
    store, *others = config["plan"]["stores"]
    shutil.copytree(store, tmp_path / "store")
    manifest = json.loads((tmp_path / "store" / "manifest.json").read_text(encoding="utf-8"))
    manifest["source"] = {"builder": "facts", "metadata": {"seed": 0, "cldr": "47"}}
    make_models.write_json(tmp_path / "store" / "manifest.json", manifest)
    config["plan"]["stores"] = [str(tmp_path / "store"), *others]
    make_models.write_json(tmp_path / "run" / "config.json", config)
    line = "- made (train): 6 pairs of a query and a passage, in 3 languages, made from Unicode CLDR 47; fingerprint"
    assert line in card_of(tmp_path / "run", tmp_path / "out")


def test_results_of_these_weights_alone_are_shown(sources, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    for path in sources["preset"].iterdir():
        (folder / path.name).symlink_to(path)
    evaluation = folder / "evaluation"
    put_results(evaluation, "facts")
    put_results(evaluation, "tales", data_release="Unicode CLDR 47")
    put_results(evaluation, "other step", step=5)
    put_results(evaluation, "other prefix", query_prefix="")
    put_results(evaluation / "untrained", "facts", step=0)
    card = card_of(folder, tmp_path / "best")
    columns = "mAP | R_cap@1 | R_cap@10 | R@1 | R@10 | rank distance | worst"
    head = f"| facts: 1,200 queries, 2,003 candidates, 3 languages | {columns}"
    for line in (
        head,
        "| monolingual | 0.5000 | 0.2500 | 0.7500 | 0.1250 | 0.6875 |  | no 0.4000 |",
        "| multilingual | 0.1250 | 0.2500 | 0.7500 | 0.1250 | 0.6875 | 1,234.6 | sw 0.1000 |",
    ):
        assert line in card
    assert "| tales, made from Unicode CLDR 47: 1,200 queries, 2,003 candidates, 3 languages | mAP |" in card
    assert "| cross-lingual |" not in card  # it has no metric there
    assert "other" not in re.findall(r"^\| (\w+).*queries,", card, re.MULTILINE)
    assert "other step: 1,200" in card_of(folder, tmp_path / "last", checkpoint="last")
    untrained = card_of(folder, tmp_path / "untrained", checkpoint="untrained")
    assert head in untrained
    assert "Not trained: random weights of the preset `tiny`, before the first step (seed 7)." in untrained
    assert "## Training data" not in untrained
    (evaluation / "facts" / "results.json").write_text("{")
    with pytest.raises(InputError, match=r"facts/results\.json is damaged .*: evaluate again, or remove it"):
        card_of(folder, tmp_path / "damaged")


TOP = {"ndcg@10": 0.3125, "recall@100": 0.875}
STREAMED = {  # as MIRACL has them
    "metrics": {"monolingual": TOP, "cross_lingual": {}, "multilingual": TOP | {"ndcg@10": 0.0625}},
    "robustness": {
        "monolingual": {"metric": "ndcg@10", "worst_language": "yo", "worst": 0.2},
        "cross_lingual": {},
        "multilingual": {"metric": "ndcg@10", "worst_language": "sw", "worst": 0.05},
    },
}
ALL = METRICS | {"mrr": 0.625, "ndcg@10": 0.6875}
BITEXT = {  # without monolingual queries
    "metrics": {"monolingual": {}, "cross_lingual": ALL, "multilingual": ALL | {"rank_distance": 7.0}},
    "robustness": {
        "monolingual": {},
        "cross_lingual": {"metric": "map", "worst_language": "am", "worst": 0.3},
        "multilingual": {"metric": "map", "worst_language": "am", "worst": 0.25},
    },
    "accuracy@1": {"mean": 0.75, "worst_pair": "am-de", "worst": 0.5, "by_pair": {"am-de": {}, "am-fr": {}}},
}
ONE_LANGUAGE = {  # nothing to be apart
    "metrics": {"monolingual": ALL, "cross_lingual": {}, "multilingual": ALL},
    "robustness": dict.fromkeys(("monolingual", "cross_lingual", "multilingual"), {}),
}
OTHER = {"metrics": {"monolingual": {"ndcg@10": 0.1, "hits": 0.2}}, "robustness": {}}


def tables(card: str) -> dict[str, list[list[str]]]:
    """Benchmark -> the cells of its table of results, head first, each row as long as the head."""
    found = {}
    for block in card.partition("## Results")[2].split("\n\n"):
        rows = [[cell.strip() for cell in line[2:-2].split(" | ")] for line in block.splitlines() if line[:2] == "| "]
        if rows:
            assert {len(row) for row in rows} == {len(rows[0])}
            found[rows[0][0].partition(":")[0]] = [[rows[0][0].partition(":")[0], *rows[0][1:]], *rows[1:]]
    return found


@pytest.fixture
def evaluated(sources, tmp_path) -> Path:
    """A run without evaluations, to put some into its folder `evaluation`."""
    folder = tmp_path / "run"
    folder.mkdir()
    for path in sources["preset"].iterdir():
        (folder / path.name).symlink_to(path)
    return folder


def test_each_benchmark_has_a_table_of_its_own_metrics(evaluated, tmp_path):
    every = {"facts": None, "miracl": STREAMED, "bitext": BITEXT, "one": ONE_LANGUAGE, "strange": OTHER}
    for name, parts in every.items():
        put_results(evaluated / "evaluation", name, parts)
    card = card_of(evaluated, tmp_path / "out")
    recalls = ("0.2500", "0.7500", "0.1250", "0.6875")
    usual = ["mAP", "R_cap@1", "R_cap@10", "R@1", "R@10"]
    assert tables(card) == {
        "facts": [
            ["facts", *usual, "rank distance", "worst query language, mAP"],
            ["monolingual", "0.5000", *recalls, "", "no 0.4000"],
            ["multilingual", "0.1250", *recalls, "1,234.6", "sw 0.1000"],
        ],
        "miracl": [
            ["miracl", "nDCG@10", "R@100", "worst query language, nDCG@10"],
            ["monolingual", "0.3125", "0.8750", "yo 0.2000"],
            ["multilingual", "0.0625", "0.8750", "sw 0.0500"],
        ],
        "bitext": [
            ["bitext", *usual, "rank distance", "worst query language, mAP"],
            ["cross-lingual", "0.5000", *recalls, "", "am 0.3000"],
            ["multilingual", "0.5000", *recalls, "7.0", "am 0.2500"],
        ],
        "one": [
            ["one", *usual, "worst query language, mAP"],
            ["monolingual", "0.5000", *recalls, ""],
            ["multilingual", "0.5000", *recalls, ""],
        ],
        "strange": [
            ["strange", "nDCG@10", "hits", "worst query language, nDCG@10"],
            ["monolingual", "0.1000", "0.2000", ""],
        ],
    }
    for line in (
        "bitext: accuracy@1 both ways 0.7500, mean of 2 language pairs; worst am-de 0.5000.",
        "mAP ranks the whole pool; R_cap@k divides by min(k, relevant candidates), R@k by all relevant candidates.",
        "miracl: nDCG@10 and R@100 of graded judgements as trec_eval takes them",
    ):
        assert line in card


def test_results_of_before_without_plain_recall_are_shown_as_they_are(evaluated, tmp_path):
    block = {name: value for name, value in METRICS.items() if not name.startswith("R@")}
    parts = {"metrics": {"monolingual": block, "cross_lingual": {}, "multilingual": block}}
    put_results(evaluated / "evaluation", "facts", parts)
    card = card_of(evaluated, tmp_path / "out")
    assert tables(card)["facts"][0][1:4] == ["mAP", "R_cap@1", "R_cap@10"] and "R@" not in card
    assert "R_cap@k divides by min(k, relevant candidates).\n" in card


def test_a_card_explains_the_metrics_that_it_has_alone(evaluated, tmp_path):
    put_results(evaluated / "evaluation", "miracl", STREAMED)
    card = card_of(evaluated, tmp_path / "out")
    assert "mAP" not in card
    assert "min(k" not in card
    assert "rank distance" not in card
    assert list(tables(card)) == ["miracl"]


def test_another_similarity_is_another_result(evaluated, tmp_path):
    put_results(evaluated / "evaluation", "facts", similarity="cosine")
    put_results(evaluated / "evaluation", "dots", similarity="dot product")
    assert list(tables(card_of(evaluated, tmp_path / "out"))) == ["facts"]


def test_the_hub_finds_the_scores_of_these_weights(evaluated, tmp_path):
    put_results(evaluated / "evaluation", "facts")
    model = load_model(str(evaluated), "best", make_mesh(0, 1), "float32")
    for number, name in enumerate((revision(model, "float32"), "another")):
        folder = evaluated / "evaluation" / "mteb" / name
        folder.mkdir(parents=True)
        scores = {"test": [{"hf_subset": "de", "main_score": 0.75}]}
        make_models.write_json(folder / f"Task{number}.json", {"task_name": f"Task{number}", "scores": scores})
        make_models.write_json(folder / "model_meta.json", {})
    (index,) = front_matter(card_of(evaluated, tmp_path / "out"))["model-index"]
    assert [one["dataset"]["name"] for one in index["results"]] == ["facts", "MTEB Task0"]
    assert {"type": "map", "name": "mAP, multilingual", "value": 0.125} in index["results"][0]["metrics"]
    damaged = evaluated / "evaluation" / "mteb" / revision(model, "float32") / "Task0.json"
    damaged.write_text("{}")
    with pytest.raises(InputError, match=r"Task0.json is damaged .*: run the task again, or remove it"):
        card_of(evaluated, tmp_path / "again")


def test_the_card_of_adapters_and_frozen_parts(sources, exports, tmp_path):
    card = (exports["lora"] / "README.md").read_text(encoding="utf-8")
    assert "| Start | `xlm-roberta`, a folder in Hugging Face's layout |" in card
    assert "| Adapters | rank 2, alpha 16, on query, value of layers 1; nothing else trained; merged into" in card
    assert "base_model" not in front_matter(card)
    frozen = ModelConfig(model=str(sources["labse"]), freeze=("layers:0", "dense"), dropout=0.0)
    card = card_of(make_models.run_of(tmp_path / "frozen", frozen, stores={"gone": "sha256:gone"}), tmp_path / "out")
    assert "| Not trained | dense, layers.0 |" in card
    assert "| Pooling | first token, then a dense layer to 20 with tanh |" in card
    assert "(https://www.sbert.net) 3.0.1 or later" in card
    assert "Languages: no longer known." in card
    assert "language" not in front_matter(card)


def test_the_card_of_a_model_that_was_not_trained_here(exports, tmp_path):
    card = (exports["bert"] / "README.md").read_text(encoding="utf-8")
    assert "Not trained by hbt_jax: the weights are those of `bert`, a folder in Hugging Face's layout." in card
    assert "| Prefix of queries | none |" in card
    assert "compared by inner product" in card
    assert "## Results" not in card
    assert 'SentenceTransformer("two words")' in card_of(exports["bert"], tmp_path / "two words")
    assert "--model='two words' " in (tmp_path / "two words" / "README.md").read_text()


def test_a_folder_is_never_taken_for_a_hub_id(tmp_path, monkeypatch):
    """Also when the run is exported from elsewhere, where models/bert, like a hub id, is no folder."""
    (tmp_path / "models").mkdir()
    make_models.folder_of("bert", tmp_path / "models" / "bert")
    monkeypatch.chdir(tmp_path)
    folder = make_models.run_of(tmp_path / "run", ModelConfig(model="models/bert", dropout=0.0), stores={})
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    card = card_of(folder, tmp_path / "out")
    assert "| Start | `bert`, a folder in Hugging Face's layout |" in card
    assert "base_model" not in front_matter(card)
    file = folder / "model.json"  # as if the same weights had been read from the hub
    file.write_text(file.read_text().replace('"hub": false', '"hub": true'))
    card = card_of(folder, tmp_path / "fetched")
    assert "| Start | [models/bert](https://huggingface.co/models/bert) |" in card
    assert front_matter(card)["base_model"] == "models/bert"


def test_an_export_without_results_says_where_they_go(sources, tmp_path, capsys):
    card_of(sources["preset"], tmp_path / "run")
    said = f"launch/eval.py --out={sources['preset'] / 'evaluation'} writes them there"
    assert said in capsys.readouterr().out
    card_of(sources["bert"], tmp_path / "bert")
    assert "no results" not in capsys.readouterr().out


def test_the_hub_reads_the_front_matter(exports):
    data = huggingface_hub.ModelCard.load(exports["preset"] / "README.md").data
    assert data.language == ["de", "no", "sw"]
    assert (data.license, data.library_name) == ("unknown", "sentence-transformers")
