"""A prefix and a text give the ids of the two as one text, whatever the prefix ends in; stores take those that join."""

import json

import pytest

from hbt_jax.config.learning import TextConfig
from hbt_jax.data.packing import stored_format, text_format
from hbt_jax.errors import InputError
from hbt_jax.models.tokenizer import load_tokenizer
from tests.models.huggingface import make_tokenizers
from tests.models.huggingface.make_tokenizers import AWKWARD, texts_of
from tests.models.test_tokenizer import byte_level

CHINESE = "为这个句子生成表示以用于检索相关文章："
PREFIXES = (
    CHINESE, "query:", "query: ", "query:  ", "Instruct: find it\nQuery:", "検索", "q\n", "q\t", "検索\u3000", "a", "(",
    "_", "-", "é", "e\u0301", "[", "[CL", "<", "<m", "x</s", " ", "\n", "ask ▁", "¿", "للبحث:", "ค้นหา", "🔍",
)  # fmt: skip
KINDS = {
    "xlm-r": make_tokenizers.xlm_r,
    "bert cased": make_tokenizers.bert,
    "bert uncased": lambda folder: make_tokenizers.bert(folder, lowercase=True),
    "byte-level": lambda folder: byte_level(folder, prefix_space=True),
}
SPACES = (" ", "\t", "\n", "\u3000", "\u00a0")


@pytest.fixture(scope="module", params=KINDS)
def folder(request, tmp_path_factory):
    return KINDS[request.param](tmp_path_factory.mktemp(request.param.replace(" ", "-")))


def ids_of(tokenizer, prefix: str, texts: list[str], longest: int = 64) -> list[list[int]]:
    """What the model reads of each text."""
    form = text_format(TextConfig(query_prefix=prefix, query_length=longest), tokenizer, "query")
    values, offsets = tokenizer.encode(form.own_texts(texts))
    own = (values[start:end][: form.room].tolist() for start, end in zip(offsets[:-1], offsets[1:], strict=True))
    return [[*form.head.tolist(), *kept, form.end] for kept in own]


def texts(folder) -> list[str]:
    found = [text for text in AWKWARD if text] + [
        text for code in ("zh", "de", "ar", "th") for text in texts_of(code)[::9]
    ]
    if folder.name.startswith("byte-level"):  # see the exceptions in hbt_jax/models/tokenizer.py
        found = [text for text in found if not text.startswith(SPACES) and "<" not in text and "[" not in text]
    return found


@pytest.mark.parametrize("prefix", PREFIXES)
def test_they_are_the_ids_that_transformers_gives_the_concatenation(folder, prefix):
    import transformers

    if not (folder / "tokenizer_config.json").is_file():
        peer = transformers.PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"))
    else:
        peer = transformers.AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
    found = texts(folder)
    theirs = peer([prefix + text for text in found], truncation=True, max_length=64)["input_ids"]
    ours = ids_of(load_tokenizer(folder), prefix, found)
    odd = {"\u200c", "\u0301\u0302"}  # the exceptions of a prefix that ends in a space
    wrong = [text for text, one, other in zip(found, ours, theirs, strict=True) if one != other and text not in odd]
    assert wrong == []


def test_which_prefixes_join_texts_of_a_store(folder):
    tokenizer = load_tokenizer(folder)
    joining = {prefix for prefix in PREFIXES if tokenizer.joins(prefix)}
    assert {"query: ", " "} <= joining
    of_bert = {
        CHINESE,
        "query:",
        "Instruct: find it\nQuery:",
        "検索",
        "q\n",
        "q\t",
        "検索\u3000",
        "(",
        "_",
        "-",
        "\n",
        "¿",
        "للبحث:",
    }
    if folder.name.startswith("bert"):
        assert of_bert <= joining
        assert not {"a", "é", "e\u0301", "[", "[CL", "ค้นหา"} & joining
    elif folder.name.startswith("xlm-r"):
        assert {"q\n", "q\t"} <= joining
        assert not {CHINESE, "query:", "検索", "検索\u3000", "(", "a", "<", "🔍"} & joining
    else:
        assert joining == {"query: ", " "}


def test_no_prefix_always_joins(folder):
    form = text_format(TextConfig(query_prefix=""), load_tokenizer(folder), "query")
    assert (form.before, len(form.head)) == ("", 1)


def test_the_own_tokenizer_reads_prefix_and_text_as_one(tmp_path):
    from tests.models.huggingface.make_tokenizers import sentencepiece_model

    (tmp_path / "tokenizer.model").write_bytes(sentencepiece_model())
    tokenizer = load_tokenizer(tmp_path)
    for prefix in (CHINESE, "query:", "a"):
        whole = tokenizer.encode([f"{prefix}北京在哪里"])[0].tolist()
        assert ids_of(tokenizer, prefix, ["北京在哪里"]) == [[tokenizer.bos_id, *whole, tokenizer.eos_id]]
        assert not tokenizer.joins(prefix)


def test_a_prefix_that_does_not_join_is_refused_for_stores_by_what_gave_it(tmp_path):
    tokenizer = load_tokenizer(make_tokenizers.xlm_r(tmp_path))
    text = TextConfig(query_prefix=CHINESE, passage_prefix="p:", query_length=64)
    said = {"query_prefix": "prompts.query in m/config_sentence_transformers.json"}
    message = (
        rf"^prompts.query in m/config_sentence_transformers.json \('{CHINESE}'\): this tokenizer joins prefix and text"
        rf" .* write --query_prefix='{CHINESE} '; to train without the prefix, --query_prefix=$"
    )
    with pytest.raises(InputError, match=message):
        stored_format(text, tokenizer, "query", said)
    with pytest.raises(
        InputError, match="^--passage_prefix='p:': this tokenizer joins prefix and text .* --passage_prefix='p: ';"
    ):
        stored_format(text, tokenizer, "passage", said)
    assert not stored_format(TextConfig(query_prefix=f"{CHINESE} ", query_length=64), tokenizer, "query").before
    bert = load_tokenizer(make_tokenizers.bert(tmp_path / "bert"))
    assert stored_format(text, bert, "query", said).head.size > 5


def test_no_room_names_what_gave_the_length_and_the_prefix(tmp_path):
    tokenizer = load_tokenizer(make_tokenizers.xlm_r(tmp_path))
    said = {
        "query_prefix": "prompts.query in m/config_sentence_transformers.json",
        "query_length": "max_seq_length in m/sentence_bert_config.json",
    }
    for prefix in ("query: ", CHINESE):
        text = TextConfig(query_prefix=prefix, query_length=4)
        with pytest.raises(InputError) as caught:
            text_format(text, tokenizer, "query", said)
        assert str(caught.value).startswith(
            "max_seq_length in m/sentence_bert_config.json (4) leaves no room for a text: prompts.query in"
            f" m/config_sentence_transformers.json ({prefix!r}) and the special tokens take "
        )
        assert str(caught.value).endswith("raise --max_length or give a shorter --query_prefix")
        with pytest.raises(InputError, match="^--query_length=4 leaves no room for a text: --query_prefix='"):
            text_format(text, tokenizer, "query")


def test_a_folder_is_embedded_as_sentence_transformers_embeds_it(tmp_path):
    pytest.importorskip("sentence_transformers")
    import jax
    import numpy as np
    from sentence_transformers import SentenceTransformer

    from hbt_jax.evaluation.embedding.embed import Embedder
    from hbt_jax.mesh import make_mesh
    from hbt_jax.training.load import load_model
    from tests.interchange import make_models

    folder = make_models.folder_of("xlm-roberta", tmp_path / "tiny")
    settings = folder / "config_sentence_transformers.json"
    values = json.loads(settings.read_text(encoding="utf-8"))
    asked = [*make_models.TEXTS, "北京在哪里？", "", "a " * 60]
    for query, document in ((CHINESE, "文档"), ("q:", "")):
        settings.write_text(json.dumps(values | {"prompts": {"query": query, "document": document}}), encoding="utf-8")
        mesh = make_mesh(1, 1, jax.devices()[:1])
        model = load_model(str(folder), "best", mesh, "float32")
        embedder = Embedder(model, mesh, texts_per_device=256, poll=lambda: None, shown=False)
        peer = SentenceTransformer(str(folder), device="cpu")
        np.testing.assert_allclose(embedder(asked, "query"), peer.encode_query(asked), atol=2e-6)
        np.testing.assert_allclose(embedder(asked, "passage"), peer.encode_document(asked), atol=2e-6)
