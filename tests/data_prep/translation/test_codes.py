"""Our language codes as translation models name them."""

import pytest

from data_prep.translation.codes import FAMILIES, family_of, language_token
from hbt_jax.errors import InputError
from hbt_jax.languages import LISTED, XM3600, language

NLLB, M2M = FAMILIES["NLLB-200"], FAMILIES["M2M-100"]


def test_every_language_of_xm3600_but_those_without_training_data_has_a_token():
    assert set(XM3600) - set(NLLB) == {"quz"}
    assert set(XM3600) - set(M2M) == {"mi", "quz", "te"}
    for tokens in FAMILIES.values():
        assert set(tokens) <= LISTED
        same = {code for code, token in tokens.items() if list(tokens.values()).count(token) > 1}
        assert same == {"fil", "tl"}  # two codes of one language


@pytest.mark.peer
def test_the_tokens_are_those_of_the_models():
    m2m = pytest.importorskip("transformers.models.m2m_100.tokenization_m2m_100")
    nllb = pytest.importorskip("transformers.models.nllb.tokenization_nllb")
    assert set(NLLB.values()) <= set(nllb.FAIRSEQ_LANGUAGE_CODES)
    known = set(m2m.FAIRSEQ_LANGUAGE_CODES["m2m100"])
    assert {token.strip("_") for token in M2M.values()} <= known
    assert {code for code in LISTED if code in known} == set(M2M) - {"fil"}


def test_scripts_of_tokens_are_those_of_our_languages():
    for code, token in NLLB.items():
        script = token.partition("_")[2]
        assert script == {"Kore": "Hang"}.get(language(code).script, language(code).script)


def test_a_model_is_known_by_its_vocabulary():
    assert family_of({"a", "deu_Latn"}, "m") == "NLLB-200" and family_of({"a", "__de__"}, "m") == "M2M-100"
    with pytest.raises(InputError, match=r"--model=m: .* such as deu_Latn \(NLLB-200\) or __de__ \(M2M-100\)"):
        family_of({"a", "<2de>"}, "m")


def test_a_language_that_the_model_lacks_is_named():
    whole = set(NLLB.values())
    assert language_token("NLLB-200", "fil", whole) == "tgl_Latn"
    with pytest.raises(
        InputError, match=r"\(NLLB-200\) does not translate 'quz' \(Cusco Quechua\): it has acm af am .*zh"
    ):
        language_token("NLLB-200", "quz", whole)
    with pytest.raises(InputError, match="does not translate 'de' .*: it has acm af am .* leave out 'de'"):
        language_token("NLLB-200", "de", whole - {"deu_Latn"})
    with pytest.raises(InputError, match="unknown language 'xx'"):
        language_token("NLLB-200", "xx", whole)
