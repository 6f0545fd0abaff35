"""The table of languages: the benchmarks' lists, scripts and resource levels."""

import doctest
import re

import pytest
from babel.core import get_global

from hbt_jax import languages
from hbt_jax.errors import InputError


@pytest.mark.parametrize(
    ("name", "count"), [("XM3600", 36), ("XQUAD_R", 11), ("MLQA_R", 7), ("MIRACL", 18), ("BELEBELE", 122)]
)
def test_a_benchmark_lists_its_languages_and_all_are_known(name, count):
    codes = getattr(languages, name)
    codes = tuple(codes.values()) if name == "BELEBELE" else codes
    assert len(set(codes)) == len(codes) == count
    assert all(languages.language(code).code == code for code in codes)


def test_every_language_has_a_name_and_a_script():
    lists = (languages.XM3600, languages.XQUAD_R, languages.MLQA_R, languages.MIRACL)
    named = {*languages.TATOEBA.values(), *languages.BELEBELE.values()}
    assert set(languages.LANGUAGES) == {code for codes in lists for code in codes} | named
    assert list(languages.LANGUAGES) == sorted(languages.LANGUAGES)
    assert len({language.name for language in languages.LANGUAGES.values()}) == len(languages.LANGUAGES)
    for code, language in languages.LANGUAGES.items():
        assert language.code == code and re.fullmatch(f"[a-z]{{2,3}}(-{language.script})?", code)
        assert re.fullmatch("[A-Z][a-z]{3}", language.script), code


def test_belebeles_names_say_the_script_that_the_table_has():
    for name, code in languages.BELEBELE.items():
        language, script = name.split("_")
        assert languages.language(code).script == {"Hang": "Kore"}.get(script, script)
        assert code.partition("-")[0] in (language, *languages.same_language(language)) or language == "zsm", name
    of = languages.BELEBELE
    assert (of["arb_Arab"], of["arb_Latn"], of["arz_Arab"], of["ars_Arab"]) == ("ar", "ar-Latn", "arz", "ars")
    assert (of["zho_Hans"], of["zho_Hant"], of["nob_Latn"], of["pes_Arab"]) == ("zh", "zh-Hant", "no", "fa")


@pytest.mark.peer
def test_scripts_are_those_that_unicode_expects():
    likely = get_global("likely_subtags")  # language -> language_SCRIPT_TERRITORY
    known = {code: likely[code].split("_")[1] for code in languages.LANGUAGES if code in likely}
    with_script = {code for code in languages.LANGUAGES if "-" in code}  # not the script that is likely
    assert with_script == {"ar-Latn", "bn-Latn", "hi-Latn", "ne-Latn", "si-Latn", "ur-Latn", "zh-Hant"}
    unknown = {*languages.LANGUAGES} - {*known} - with_script
    assert unknown <= {"ber", "kzj", "mhr", "quz"}  # a later CLDR may know these too
    assert {code: languages.language(code).script for code in known} == known


def test_the_under_resourced_five():
    weak = {code for code, language in languages.LANGUAGES.items() if language.under_resourced}
    assert weak == {"bn", "mi", "quz", "sw", "te"}
    assert weak <= set(languages.XM3600)


def test_an_unknown_code_lists_the_known_ones():
    with pytest.raises(
        InputError, match="unknown language 'xx': the known codes are acm af .* zh-Hant zu; add others to hbt_jax/"
    ):
        languages.language("xx")


# What data sets and libraries call the languages: BCP 47 with scripts, countries and old codes, ISO 639-2 (both lists)
# and 639-3, POSIX locales, FLORES, country codes taken for languages, English names.
OTHERS = {
    "zh": "zh-CN zh_CN ZH zh-Hans zh-Hant-TW zho chi cmn cmn-Hans-CN zho_Hans zh-CHS zh-CHN cn zh_CN.UTF-8 Chinese",
    "he": "iw iw-IL heb he_IL HE Hebrew",
    "id": "in in_ID ind id-ID",
    "no": "nb nb-NO nob nor NO nob_Latn no_NO.utf8",
    "ja": "jp jpn JA ja_JP ja-JP-u-ca-japanese",
    "en": "eng EN en-US eng_Latn en_GB@euro english",
    "pt": "pt-BR pt_PT por",
    "ro": "mo mol ron rum ro-MD",
    "yi": "ji yid ydd",
    "jv": "jw jav",
    "fa": "fas per pes prs pes_Arab fa-IR",
    "ar": "ara arb arb_Arab ar-EG",
    "arz": "arz_Arab ar-arz",
    "yue": "zh-yue yue-HK",
    "cs": "cz ces cze", "da": "dk dan", "el": "gr ell gre", "uk": "ua ukr", "vi": "vn vie", "ko": "kr kor ko-KR",
    "de": "deu ger de-AT German", "fr": "fra fre", "nl": "nld dut", "sq": "sqi alb als", "hy": "hye arm",
    "eu": "eus baq", "ka": "kat geo", "is": "isl ice", "mk": "mkd mac", "mi": "mri mao", "ms": "msa may zsm zsm_Latn",
    "sk": "slk slo", "cy": "cym wel", "et": "est ekk", "lv": "lav lvs", "sw": "swa swh", "quz": "que qu",
    "fil": "fil-PH", "tl": "TL tl_PH", "sr": "srp sr-Latn sr@latin", "az": "aze azj", "uz": "uzb uzn", "ku": "kur kmr",
}  # fmt: skip


@pytest.mark.parametrize("code", OTHERS)
def test_other_codes_of_a_known_language_are_told_by_its_code(code):
    for other in OTHERS[code].split():
        assert languages.same_language(other) == [code], other
        with pytest.raises(InputError) as caught:
            languages.language(other)
        assert str(caught.value) == f"unknown language {other!r}: write {code}, its code here"


def test_codes_of_other_standards_are_told_within_a_benchmarks_own_list():
    same = languages.same_language
    assert (same("tl", languages.XM3600), same("tgl", languages.XM3600), same("fil")) == (["fil"], ["fil"], ["tl"])
    assert (same("cmn", languages.MIRACL), same("de-DE", languages.MIRACL)) == (["zh"], ["de"])
    assert (same("nb", languages.MIRACL), same("arz", languages.XM3600)) == ([], [])
    assert (same("zh", languages.TATOEBA), same("nb", languages.TATOEBA)) == (["cmn"], ["nob"])
    assert (same("bn", ["arabic", "bengali"]), same("bn-BD", ["arabic", "bengali"])) == (["bengali"], ["bengali"])
    assert same("sh") == same("hbs") == ["bs", "hr", "sr"]
    assert languages.unknown_language("sh") == "unknown language 'sh': write bs or hr or sr, whichever it is"


@pytest.mark.parametrize(
    "code", ["xx", "", "-", "_", "klingon", "zh-min-nan", "nan", "i-klingon", "dev-v1.1", None, ["en"], 3]
)
def test_what_is_no_known_language_may_be_added(code):
    told = languages.unknown_language(code)
    assert told.startswith(f"unknown language {code!r}: the known codes are acm af ")
    assert told.endswith("; add others to hbt_jax/languages.py")
    assert "add others" not in languages.unknown_language(code, "MIRACL has ar bn", languages.MIRACL)


def test_no_other_code_of_a_known_language_is_itself_one_of_another():
    """ISO 639-3 gives each of LASER's codes; none of them means a second known language."""
    for iso, code in languages.TATOEBA.items():
        assert iso in languages.LANGUAGES or code in languages.same_language(iso), iso
    assert doctest.testmod(languages).attempted >= 3
    assert doctest.testmod(languages).failed == 0


def test_a_name_with_a_remark_is_that_language():
    assert languages.same_language("Chinese (Simplified)") == ["zh"]
    assert languages.same_language("ar-EGY") == ["ar"]
