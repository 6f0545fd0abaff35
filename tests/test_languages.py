"""Languages: their codes, names and scripts; the benchmarks' lists; which are under-resourced."""

import doctest
import re

import pytest

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


def test_every_listed_language_has_a_name_and_a_script_of_its_own():
    lists = (languages.XM3600, languages.XQUAD_R, languages.MLQA_R, languages.MIRACL)
    named = {*languages.TATOEBA.values(), *languages.BELEBELE.values()}
    assert {code for codes in lists for code in codes} | named == languages.LISTED and len(languages.LISTED) == 172
    found = {code: languages.language(code) for code in languages.LISTED}
    assert len({language.name for language in found.values()}) == len(found)
    for code, language in found.items():
        assert language.code == code and re.fullmatch(f"[a-z]{{2,3}}(-{language.script})?", code)
        assert re.fullmatch("[A-Z][a-z]{3}", language.script) and language.script != "Zzzz", code


def test_codes_that_stand_in_stores_and_results_stay():
    """Of the benchmarks' codes only these two are not canonical; results name them as the benchmarks do."""
    assert {code: languages.canonical(code) for code in languages.LISTED if languages.canonical(code) != code} == {
        "kzj": "dtp",
        "tl": "fil",
    }
    assert all(languages.own_code(code) == code for code in languages.LISTED)
    assert languages.own_code("zh-CN") == "zh"


def test_flores_and_laser_codes_mean_our_codes():
    for name, code in {**languages.BELEBELE, **languages.TATOEBA}.items():
        assert languages.canonical(name) == languages.canonical(code), name


def test_belebeles_names_say_the_script_that_languages_have():
    for name, code in languages.BELEBELE.items():
        script = name.partition("_")[2]
        assert languages.language(code).script == {"Hang": "Kore"}.get(script, script)
    of = languages.BELEBELE
    assert (of["arb_Arab"], of["arb_Latn"], of["arz_Arab"], of["ars_Arab"]) == ("ar", "ar-Latn", "arz", "ars")
    assert (of["zho_Hans"], of["zho_Hant"], of["nob_Latn"], of["pes_Arab"]) == ("zh", "zh-Hant", "no", "fa")


# A code here -> other codes of the same language: BCP 47 with likely scripts and regions and old codes, ISO 639-2 (both
# lists) and 639-3, POSIX locales, FLORES, MTEB.
SAME = {
    "zh": "zh-CHS zh_chs chi_sim zh-CN zh_CN ZH zh-Hans zho chi cmn cmn-Hans-CN zho_Hans zh-CHN zh_CN.UTF-8 zho-Hans",
    "zh-Hant": "zh-CHT zh_CHT zh-cht chi_tra zh-TWN zh-TW zh_Hant_TW zho_Hant cmn-Hant",
    "zh-HK": "zh-Hant-HK zh_HK",
    "he": "iw iw-IL heb he_IL HE heb_Hebr",
    "id": "in in_ID ind id-ID",
    "no": "nb nb-NO nob nor NO nob_Latn no_NO.utf8",
    "nn": "nno nno_Latn nn-NO no-nno",
    "ja": "jpn JA ja_JP ja-JP-u-ca-japanese jpn-Jpan",
    "en": "eng EN en-US eng_Latn eng-Latn en_US@euro en-Latn-US en_XX en-simple",
    "en-GB": "eng-GB en_GB.UTF-8",
    "pt": "pt-BR pt_BR por pt-Latn-BR",
    "pt-PT": "pt_PT por-PT",
    "de-AT": "deu-AT de_AT",
    "ro": "mo mol ron rum",
    "hr": "hrv scr",
    "yi": "ji yid ydd ydd_Hebr",
    "fa": "fas per pes pes_Arab fa-IR",
    "fa-AF": "prs prs_Arab",
    "ar": "ara arb arb_Arab ar-EG ar-EGY ar_AR",
    "arz": "arz_Arab ar-arz",
    "yue": "zh-yue yue-HK yue_Hant",
    "nan": "zh-min-nan zh_min_nan zh-nan",
    "lzh": "zh-classical zh_classical zh-lzh",
    "cbk": "cbk-zam cbk_zam CBK-ZAM", "jv": "map-bms map_bms jw jav", "sgs": "bat-smg bat_smg", "nap": "roa-tara",
    "rup": "roa-rup roa_rup", "vro": "fiu-vro fiu_vro", "be": "be-x-old be_x_old be-tarask bel", "nds-NL": "nds-nl",
    "bn-Latn": "bn_rom ben_Latn", "hi-Latn": "hi_rom hin_Latn", "ur-Latn": "ur_rom", "ta-Latn": "ta_rom",
    "te-Latn": "te_rom", "ckb": "ku-ckb", "ase": "sgn-ase", "mn": "khk mn-khk", "sq-XK": "sqi-XK",
    "cs": "ces cze", "da": "dan", "el": "ell gre", "uk": "ukr", "vi": "vie", "ko": "kor ko-KR kor_Hang",
    "de": "deu ger de-DE", "fr": "fra fre", "nl": "nld dut", "sq": "sqi alb als", "hy": "hye arm", "eu": "eus baq",
    "ka": "kat geo", "is": "isl ice", "mk": "mkd mac", "mi": "mri mao", "ms": "msa may zsm zsm_Latn ms-zsm",
    "sk": "slk slo", "cy": "cym wel", "et": "est ekk", "lv": "lav lvs", "sw": "swa swh", "ps": "pus pbt pbt_Arab",
    "fil": "tl tgl tgl_Latn tl_PH fil-PH", "qu": "que", "quz": "quz_Latn", "sr": "srp sr-Cyrl sr-ec",
    "sr-Latn": "srp_Latn sr-el", "az": "aze azj", "uz": "uzb uzn", "uz-Cyrl": "uzb_Cyrl", "ku": "kur kmr kmr_Latn",
    "ha": "hau hau_Latn ha-NG", "ig": "ibo ibo-Latn", "ne": "nep npi npi_Deva", "so": "som som_Latn", "zu": "zul",
    "om": "orm gaz gaz_Latn", "tw": "twi twi_Latn", "ak": "aka aka_Latn", "kr": "kau knc", "kr-Arab": "knc_Arab",
    "pa-Arab": "pa-PK pan_Arab", "taq-Tfng": "taq_Tfng", "dtp": "kzj",
}  # fmt: skip


@pytest.mark.parametrize("code", SAME)
def test_any_code_of_a_language_is_its_one_code_here(code):
    for other in (code, *SAME[code].split()):
        assert languages.canonical(other) == code, other
        assert languages.language(code) == languages.language(languages.canonical(other))


@pytest.mark.parametrize(
    ("code", "name", "script"),
    [
        ("ha", "Hausa", "Latn"), ("ig", "Igbo", "Latn"), ("ne", "Nepali", "Deva"), ("so", "Somali", "Latn"),
        ("zu", "Zulu", "Latn"), ("zh", "Chinese", "Hans"), ("zh-Hant", "Chinese (Traditional)", "Hant"),
        ("zh-HK", "Chinese (Hong Kong SAR China)", "Hant"), ("pt-PT", "Portuguese (Portugal)", "Latn"),
        ("ar-Latn", "Arabic (Latin)", "Latn"), ("sr", "Serbian", "Cyrl"), ("sr-Latn", "Serbian (Latin)", "Latn"),
        ("bn", "Bangla", "Beng"), ("mi", "Māori", "Latn"), ("quz", "Cusco Quechua", "Latn"),
        ("no", "Norwegian", "Latn"),
        ("fil", "Filipino", "Latn"), ("tl", "Tagalog", "Latn"), ("ko", "Korean", "Kore"), ("yue", "Cantonese", "Hant"),
        ("grc", "Ancient Greek", "Grek"), ("kr-Arab", "Kanuri (Arabic)", "Arab"),
        ("fa-AF", "Persian (Afghanistan)", "Arab"),
        ("tw", "Twi", "Latn"), ("ber", "Berber languages", "Latn"), ("rmn", "Balkan Romani", "Latn"),
        ("mhr", "Eastern Mari", "Cyrl"), ("sat", "Santali", "Olck"), ("dv", "Divehi", "Thaa"),
        ("tlh", "Klingon", "Zzzz"),
    ],
)  # fmt: skip
def test_names_and_scripts_are_those_of_cldr(code, name, script):
    assert languages.language(code) == languages.Language(code, name, script)


def test_the_under_resourced_five_and_others_that_are_stated():
    def weak() -> set[str]:
        return {code for code in languages.LISTED if languages.language(code).under_resourced}

    assert weak() == {"bn", "mi", "quz", "sw", "te"} <= set(languages.XM3600)
    assert languages.under_resourced() == {}
    with languages.state_under_resourced(["ha", "yor", "zh-CN"]):
        assert weak() == {"ha", "yo", "zh"}
        assert languages.under_resourced() == {"under_resourced": ["ha", "yo", "zh"]}
        assert languages.under_resourced_words() == "the under-resourced languages (ha yo zh)"
    with languages.state_under_resourced(["tgl", "tl", "kzj"]):  # two codes of one language, as results may have it
        assert weak() == {"tl", "fil", "kzj", "dtp"}
        assert languages.under_resourced() == {"under_resourced": ["fil", "dtp"]}
    assert weak() == set(languages.UNDER_RESOURCED)
    with pytest.raises(InputError, match="'jp': write ja"), languages.state_under_resourced(["jp"]):
        raise AssertionError("not reached")


NO_CODES = {  # countries' codes taken for languages, other mistakes, English names -> what is meant
    "ja": "jp", "cs": "cz", "da": "dk", "el": "gr", "uk": "ua", "vi": "vn", "zh": "cn chs Chinese",
    "en": "english", "he": "Hebrew", "de": "German", "bn": "Bengali bengali", "tlh": "klingon",
}  # fmt: skip


@pytest.mark.parametrize("code", NO_CODES)
def test_what_is_no_code_is_told_by_the_right_one(code):
    for other in NO_CODES[code].split():
        assert languages.same_language(other) == [code], other
        for reads in (languages.canonical, languages.language, languages.own_code):
            with pytest.raises(InputError) as caught:
                reads(other)
            assert str(caught.value) == f"unknown language {other!r}: write {code}, its code here"


def test_codes_of_other_standards_are_told_within_a_benchmarks_own_list():
    same = languages.same_language
    assert (same("tl", languages.XM3600), same("tgl", languages.XM3600), same("fil", ["tl"])) == (
        ["fil"],
        ["fil"],
        ["tl"],
    )
    assert (same("cmn", languages.MIRACL), same("de-DE", languages.MIRACL)) == (["zh"], ["de"])
    assert (same("zh-Hant", languages.MIRACL), same("que", languages.XM3600)) == (["zh"], ["quz"])
    assert (same("nb", languages.MIRACL), same("arz", languages.XM3600)) == ([], [])
    assert (same("zh", languages.TATOEBA), same("nb", languages.TATOEBA)) == (["cmn"], ["nob"])
    assert (same("bn", ["arabic", "bengali"]), same("bn-BD", ["arabic", "bengali"])) == (["bengali"], ["bengali"])
    assert same("sh") == same("hbs") == ["bs", "hr", "sr"]
    assert languages.unknown_language("sh") == "unknown language 'sh': write bs or hr or sr, whichever it is"


@pytest.mark.parametrize(
    "code",
    [
        "xx", "", "-", "_", "qaa", "mul", "und", "zxx", "dev-v1.1", "de-QX1", None, ["en"], 3,
        "x-klingon", "X_klingon", "x-en", "x", "i-default",  # for private use, or no language
        "eng-fra", "eng-deu", "eng_spa", "srp-hrv", "map-jav", "my_zaw", "ita_old", "zh-kor",  # two languages
    ],
)  # fmt: skip
def test_what_is_no_language_gets_one_clear_error(code):
    told = "expected a BCP-47 or ISO 639-3 code such as de, zh-Hant, ha or arb_Arab"
    assert not languages.is_known(code)
    with pytest.raises(InputError) as caught:
        languages.canonical(code)
    assert str(caught.value) == f"unknown language {code!r}: {told}"
    assert languages.unknown_language(code, "named so") == f"unknown language {code!r}: named so; {told}"
    assert "BCP" not in languages.unknown_language(code, "MIRACL has ar bn", languages.MIRACL)


def test_a_part_for_private_use_after_a_language_is_left_out():
    assert [languages.canonical(code) for code in ("en-x-klingon", "tlh-x-a", "zh-Hant-x-chs")] == [
        "en",
        "tlh",
        "zh-Hant",
    ]
    assert languages.same_language("deu_frak") == ["de"]
    regions = {
        "pt-bra": ["pt"],
        "zh-twn": ["zh-Hant"],
        "deu-deu": ["de"],
        "eng-deu": [],
        "eng-fra": [],
        "simple": ["en"],
    }
    for code, meant in regions.items():
        assert not languages.is_known(code) and languages.same_language(code) == meant, code


def test_places_by_language():
    assert languages.by_language({"a": "zh-CN", "b": "tl"}, "named so") == {"zh": "a", "fil": "b"}
    for code, other, known in (
        ("zh", "zh-CN", "zh"),
        ("tl", "fil", "fil"),
        ("kzj", "dtp", "dtp"),
        ("be", "be-x-old", "be"),
    ):
        with pytest.raises(
            InputError, match=f"^a.txt and b.txt are both in '{known}': expected one; join or remove one$"
        ):
            languages.by_language({"a.txt": code, "b.txt": other}, "named so")
    with pytest.raises(InputError, match=r"^a.txt: unknown language 'xx': files are named so; expected a BCP-47"):
        languages.by_language({"a.txt": "xx"}, "files are named so")


def test_examples_of_the_docstrings():
    found = doctest.testmod(languages)
    assert found.attempted >= 5 and not found.failed


def test_a_name_with_a_remark_is_that_language():
    assert languages.same_language("Chinese (Simplified)") == ["zh"]
    assert languages.same_language("ar-EGY", languages.XM3600) == ["ar"]
