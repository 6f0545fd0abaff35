"""The table of languages: the benchmarks' lists, scripts and resource levels."""

import re

import pytest
from babel.core import get_global

from hbt_jax import languages
from hbt_jax.errors import InputError


@pytest.mark.parametrize(("name", "count"), [("XM3600", 36), ("XQUAD_R", 11), ("MLQA_R", 7), ("MIRACL", 18)])
def test_a_benchmark_lists_its_languages_and_all_are_known(name, count):
    codes = getattr(languages, name)
    assert len(set(codes)) == len(codes) == count
    assert all(languages.language(code).code == code for code in codes)


def test_every_language_has_a_name_and_a_script():
    lists = (languages.XM3600, languages.XQUAD_R, languages.MLQA_R, languages.MIRACL, languages.TATOEBA.values())
    assert set(languages.LANGUAGES) == {code for codes in lists for code in codes}
    assert list(languages.LANGUAGES) == sorted(languages.LANGUAGES)
    assert len({language.name for language in languages.LANGUAGES.values()}) == len(languages.LANGUAGES)
    for code, language in languages.LANGUAGES.items():
        assert language.code == code and re.fullmatch("[a-z]{2,3}", code)
        assert re.fullmatch("[A-Z][a-z]{3}", language.script), code


@pytest.mark.peer
def test_scripts_are_those_that_unicode_expects():
    likely = get_global("likely_subtags")  # language -> language_SCRIPT_TERRITORY
    known = {code: likely[code].split("_")[1] for code in languages.LANGUAGES if code in likely}
    assert {*languages.LANGUAGES} - {*known} <= {"ber", "kzj", "mhr", "quz"}  # a later CLDR may know these too
    assert {code: languages.language(code).script for code in known} == known


def test_the_under_resourced_five():
    weak = {code for code, language in languages.LANGUAGES.items() if language.under_resourced}
    assert weak == {"bn", "mi", "quz", "sw", "te"}
    assert weak <= set(languages.XM3600)


def test_an_unknown_code_lists_the_known_ones():
    with pytest.raises(InputError, match="unknown language 'xx': the known codes are af .* zh; add others to hbt_jax/"):
        languages.language("xx")
