"""Languages: code, English name, script and resource level, and the language list of each benchmark.

Scripts are ISO 15924 codes of the script that the benchmark's texts are written in.  Japanese and Korean are given
their combined codes Jpan (Han, Hiragana, Katakana) and Kore (Hangul and Han).  "Under-resourced" marks the five
languages that XM3600 chose for that reason (Thapliyal et al. 2022, arXiv 2205.12522, section 2.1).
"""

import dataclasses
import re
from collections.abc import Iterable

from hbt_jax.errors import InputError


@dataclasses.dataclass(frozen=True)
class Language:
    """One language as the benchmarks name it.

    Attributes:
      code: BCP-47 code, in the spelling that the benchmarks use (`no`, `fil`, `quz`).
      name: English name.
      script: ISO 15924 code.
      under_resourced: whether XM3600 lists it among its five under-resourced languages.
    """

    code: str
    name: str
    script: str
    under_resourced: bool = False


_ALL = (
    Language("af", "Afrikaans", "Latn"),
    Language("am", "Amharic", "Ethi"),
    Language("ang", "Old English", "Latn"),
    Language("ar", "Arabic", "Arab"),
    Language("arq", "Algerian Arabic", "Arab"),
    Language("arz", "Egyptian Arabic", "Arab"),
    Language("ast", "Asturian", "Latn"),
    Language("awa", "Awadhi", "Deva"),
    Language("az", "Azerbaijani", "Latn"),
    Language("be", "Belarusian", "Cyrl"),
    Language("ber", "Berber", "Latn"),
    Language("bg", "Bulgarian", "Cyrl"),
    Language("bn", "Bengali", "Beng", under_resourced=True),
    Language("br", "Breton", "Latn"),
    Language("bs", "Bosnian", "Latn"),
    Language("ca", "Catalan", "Latn"),
    Language("cbk", "Chavacano", "Latn"),
    Language("ceb", "Cebuano", "Latn"),
    Language("ch", "Chamorro", "Latn"),
    Language("cs", "Czech", "Latn"),
    Language("csb", "Kashubian", "Latn"),
    Language("cy", "Welsh", "Latn"),
    Language("da", "Danish", "Latn"),
    Language("de", "German", "Latn"),
    Language("dsb", "Lower Sorbian", "Latn"),
    Language("dtp", "Kadazan Dusun", "Latn"),
    Language("el", "Greek", "Grek"),
    Language("en", "English", "Latn"),
    Language("eo", "Esperanto", "Latn"),
    Language("es", "Spanish", "Latn"),
    Language("et", "Estonian", "Latn"),
    Language("eu", "Basque", "Latn"),
    Language("fa", "Persian", "Arab"),
    Language("fi", "Finnish", "Latn"),
    Language("fil", "Filipino", "Latn"),
    Language("fo", "Faroese", "Latn"),
    Language("fr", "French", "Latn"),
    Language("fy", "Western Frisian", "Latn"),
    Language("ga", "Irish", "Latn"),
    Language("gd", "Scottish Gaelic", "Latn"),
    Language("gl", "Galician", "Latn"),
    Language("gsw", "Swiss German", "Latn"),
    Language("he", "Hebrew", "Hebr"),
    Language("hi", "Hindi", "Deva"),
    Language("hr", "Croatian", "Latn"),
    Language("hsb", "Upper Sorbian", "Latn"),
    Language("hu", "Hungarian", "Latn"),
    Language("hy", "Armenian", "Armn"),
    Language("ia", "Interlingua", "Latn"),
    Language("id", "Indonesian", "Latn"),
    Language("ie", "Interlingue", "Latn"),
    Language("io", "Ido", "Latn"),
    Language("is", "Icelandic", "Latn"),
    Language("it", "Italian", "Latn"),
    Language("ja", "Japanese", "Jpan"),
    Language("jv", "Javanese", "Latn"),
    Language("ka", "Georgian", "Geor"),
    Language("kab", "Kabyle", "Latn"),
    Language("kk", "Kazakh", "Cyrl"),
    Language("km", "Khmer", "Khmr"),
    Language("ko", "Korean", "Kore"),
    Language("ku", "Kurdish", "Latn"),
    Language("kw", "Cornish", "Latn"),
    Language("kzj", "Coastal Kadazan", "Latn"),
    Language("la", "Latin", "Latn"),
    Language("lfn", "Lingua Franca Nova", "Latn"),
    Language("lt", "Lithuanian", "Latn"),
    Language("lv", "Latvian", "Latn"),
    Language("max", "North Moluccan Malay", "Latn"),
    Language("mhr", "Eastern Mari", "Cyrl"),
    Language("mi", "Maori", "Latn", under_resourced=True),
    Language("mk", "Macedonian", "Cyrl"),
    Language("ml", "Malayalam", "Mlym"),
    Language("mn", "Mongolian", "Cyrl"),
    Language("mr", "Marathi", "Deva"),
    Language("ms", "Malay", "Latn"),
    Language("nds", "Low German", "Latn"),
    Language("nl", "Dutch", "Latn"),
    Language("nn", "Norwegian Nynorsk", "Latn"),
    Language("no", "Norwegian", "Latn"),
    Language("nov", "Novial", "Latn"),
    Language("oc", "Occitan", "Latn"),
    Language("orv", "Old East Slavic", "Cyrl"),
    Language("pam", "Kapampangan", "Latn"),
    Language("pl", "Polish", "Latn"),
    Language("pms", "Piedmontese", "Latn"),
    Language("pt", "Portuguese", "Latn"),
    Language("quz", "Cusco Quechua", "Latn", under_resourced=True),
    Language("ro", "Romanian", "Latn"),
    Language("ru", "Russian", "Cyrl"),
    Language("sk", "Slovak", "Latn"),
    Language("sl", "Slovenian", "Latn"),
    Language("sq", "Albanian", "Latn"),
    Language("sr", "Serbian", "Cyrl"),
    Language("sv", "Swedish", "Latn"),
    Language("sw", "Swahili", "Latn", under_resourced=True),
    Language("swg", "Swabian", "Latn"),
    Language("ta", "Tamil", "Taml"),
    Language("te", "Telugu", "Telu", under_resourced=True),
    Language("th", "Thai", "Thai"),
    Language("tk", "Turkmen", "Latn"),
    Language("tl", "Tagalog", "Latn"),
    Language("tr", "Turkish", "Latn"),
    Language("tt", "Tatar", "Cyrl"),
    Language("tzl", "Talossan", "Latn"),
    Language("ug", "Uyghur", "Arab"),
    Language("uk", "Ukrainian", "Cyrl"),
    Language("ur", "Urdu", "Arab"),
    Language("uz", "Uzbek", "Latn"),
    Language("vi", "Vietnamese", "Latn"),
    Language("war", "Waray", "Latn"),
    Language("wuu", "Wu Chinese", "Hans"),
    Language("xh", "Xhosa", "Latn"),
    Language("yi", "Yiddish", "Hebr"),
    Language("yo", "Yoruba", "Latn"),
    Language("yue", "Cantonese", "Hant"),
    Language("zh", "Chinese", "Hans"),
)

LANGUAGES = {language.code: language for language in _ALL}

XM3600 = (
    "ar", "bn", "cs", "da", "de", "el", "en", "es", "fa", "fi", "fil", "fr", "he", "hi", "hr", "hu", "id", "it", "ja",
    "ko", "mi", "nl", "no", "pl", "pt", "quz", "ro", "ru", "sv", "sw", "te", "th", "tr", "uk", "vi", "zh",
)  # fmt: skip
XQUAD_R = ("ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh")
MLQA_R = ("ar", "de", "en", "es", "hi", "vi", "zh")
MIRACL = ("ar", "bn", "de", "en", "es", "fa", "fi", "fr", "hi", "id", "ja", "ko", "ru", "sw", "te", "th", "yo", "zh")
# Code in the names of LASER's Tatoeba files (ISO 639-3; English is eng) -> code here.
TATOEBA = {
    "afr": "af", "amh": "am", "ang": "ang", "ara": "ar", "arq": "arq", "arz": "arz", "ast": "ast", "awa": "awa",
    "aze": "az", "bel": "be", "ben": "bn", "ber": "ber", "bos": "bs", "bre": "br", "bul": "bg", "cat": "ca",
    "cbk": "cbk", "ceb": "ceb", "ces": "cs", "cha": "ch", "cmn": "zh", "cor": "kw", "csb": "csb", "cym": "cy",
    "dan": "da", "deu": "de", "dsb": "dsb", "dtp": "dtp", "ell": "el", "epo": "eo", "est": "et", "eus": "eu",
    "fao": "fo", "fin": "fi", "fra": "fr", "fry": "fy", "gla": "gd", "gle": "ga", "glg": "gl", "gsw": "gsw",
    "heb": "he", "hin": "hi", "hrv": "hr", "hsb": "hsb", "hun": "hu", "hye": "hy", "ido": "io", "ile": "ie",
    "ina": "ia", "ind": "id", "isl": "is", "ita": "it", "jav": "jv", "jpn": "ja", "kab": "kab", "kat": "ka",
    "kaz": "kk", "khm": "km", "kor": "ko", "kur": "ku", "kzj": "kzj", "lat": "la", "lfn": "lfn", "lit": "lt",
    "lvs": "lv", "mal": "ml", "mar": "mr", "max": "max", "mhr": "mhr", "mkd": "mk", "mon": "mn", "nds": "nds",
    "nld": "nl", "nno": "nn", "nob": "no", "nov": "nov", "oci": "oc", "orv": "orv", "pam": "pam", "pes": "fa",
    "pms": "pms", "pol": "pl", "por": "pt", "ron": "ro", "rus": "ru", "slk": "sk", "slv": "sl", "spa": "es",
    "sqi": "sq", "srp": "sr", "swe": "sv", "swg": "swg", "swh": "sw", "tam": "ta", "tat": "tt", "tel": "te",
    "tgl": "tl", "tha": "th", "tuk": "tk", "tur": "tr", "tzl": "tzl", "uig": "ug", "ukr": "uk", "urd": "ur",
    "uzb": "uz", "vie": "vi", "war": "war", "wuu": "wuu", "xho": "xh", "yid": "yi", "yue": "yue", "zsm": "ms",
}  # fmt: skip


# Other codes of the same languages: ISO 639-2 and 639-3, withdrawn ones, and what is often written for them.  A code of
# a language's standard form counts as the language (ekk is et, arb is ar); that of another variety of it does not.
_OTHER_CODES = {
    "af": "afr", "am": "amh", "ar": "ara arb", "az": "aze azj", "be": "bel", "bg": "bul", "bn": "ben", "br": "bre",
    "bs": "bos sh hbs", "ca": "cat", "ch": "cha", "cs": "ces cze cz", "cy": "cym wel", "da": "dan dk", "de": "deu ger",
    "dtp": "tdu ktr kzt", "el": "ell gre gr", "en": "eng", "eo": "epo", "es": "spa", "et": "est ekk", "eu": "eus baq",
    "fa": "fas per pes prs", "fi": "fin", "fil": "tl tgl", "fo": "fao", "fr": "fra fre", "fy": "fry", "ga": "gle",
    "gd": "gla", "gl": "glg", "he": "heb iw", "hi": "hin", "hr": "hrv scr sh hbs", "hu": "hun", "hy": "hye arm",
    "ia": "ina", "id": "ind in", "ie": "ile", "io": "ido", "is": "isl ice", "it": "ita", "ja": "jpn jp",
    "jv": "jav jw", "ka": "kat geo", "kk": "kaz", "km": "khm", "ko": "kor kr", "ku": "kur kmr", "kw": "cor",
    "la": "lat", "lt": "lit", "lv": "lav lvs", "mi": "mri mao", "mk": "mkd mac", "ml": "mal", "mn": "mon khk",
    "mr": "mar", "ms": "msa may zsm", "nl": "nld dut", "nn": "nno", "no": "nor nb nob", "oc": "oci", "pl": "pol",
    "pt": "por", "quz": "qu que", "ro": "ron rum mo mol", "ru": "rus", "sk": "slk slo", "sl": "slv",
    "sq": "sqi alb als", "sr": "srp scc sh hbs cnr", "sv": "swe", "sw": "swa swh swc", "ta": "tam", "te": "tel",
    "th": "tha", "tk": "tuk", "tl": "tgl fil", "tr": "tur", "tt": "tat", "ug": "uig", "uk": "ukr ua", "ur": "urd",
    "uz": "uzb uzn", "vi": "vie vn", "xh": "xho", "yi": "yid ydd ji", "yo": "yor", "zh": "zho chi cmn cn chs cht",
}  # fmt: skip
_WITH_MEMBERS = ("ar", "ms", "zh")  # codes after which a member of three letters may stand, which is another language
_COUNTRIES = (  # where they are spoken, in three letters, which are no members
    "are bhr brn chn dza egy hkg idn irq jor kwt lbn lby mac mar mrt mys omn pse qat sau sdn sgp syr tun twn yem"
)


def same_language(code: str, known: Iterable[str] = LANGUAGES) -> list[str]:
    """The known codes of the language that another code means, none if it means none of them.

    Args:
      code: a code of another standard (`zho`, `iw`), with a script or a country (`zh-Hans`, `zh_CN`, `pt-BR`,
        `eng_Latn`, `de_DE.UTF-8`), in another case (`ZH`), or an English name (`Chinese`).
      known: the codes, or other names of languages, that may be written.

    >>> [same_language(code) for code in ("zh-CN", "iw", "jpn", "sh", "xx")]
    [['zh'], ['he'], ['ja'], ['bs', 'hr', 'sr'], []]
    """
    wanted, known = _codes_here(code), [one for one in known if one != code]
    plain = _subtags(code)[0]
    for fits in (
        lambda one: one == plain and wanted,
        lambda one: one in wanted,
        lambda one: wanted & _codes_here(one),
    ):
        if found := [one for one in known if fits(one)]:
            return found
    return []


def _subtags(code: str) -> list[str]:
    """The parts of a code in small letters, without a POSIX encoding; the language of its own that zh-yue names first.

    >>> [_subtags(code) for code in ("pt_BR.UTF-8", "zh-yue-HK", "ZH")]
    [['pt', 'br'], ['yue', 'hk'], ['zh']]
    """
    found = re.split(r"[.@]", code.strip())[0].replace("_", "-").casefold().split("-")
    of_its_own = found[0] in _WITH_MEMBERS and len(found) > 1 and len(found[1]) == 3 and found[1].isalpha()
    of_its_own = of_its_own and found[1] not in _COUNTRIES.split()
    return found[of_its_own:]


def _codes_here(code: str) -> set[str]:
    """The codes of `LANGUAGES` that a code or an English name stands for."""
    plain = _subtags(code)[0]
    found = {plain} & LANGUAGES.keys() | {one for one, others in _OTHER_CODES.items() if plain in others.split()}
    name = code.partition("(")[0].strip().casefold()  # of "Chinese (Simplified)"
    return found or {language.code for language in _ALL if language.name.casefold() == name}


_EXPECTED = f"the known codes are {' '.join(LANGUAGES)}; add others to hbt_jax/languages.py"


def unknown_language(code: object, expected: str = "", known: Iterable[str] = LANGUAGES) -> str:
    """What is wrong with a language that is not among the known ones, and what to write for it, for messages.

    Args:
      code: what was found.
      expected: what is expected where it is no other name of a known language: the whole sentence for a list of one's
        own, such as "XM3600 has ar bn ..."; what comes before the list of `LANGUAGES` for those.
      known: the codes or names that may be written.

    >>> unknown_language("zh-CN")
    "unknown language 'zh-CN': write zh, its code here"
    """
    same = same_language(code, known) if isinstance(code, str) else []
    if same:
        why = "its code here" if len(same) == 1 else "whichever it is"
        return f"unknown language {code!r}: write {' or '.join(same)}, {why}"
    if known is LANGUAGES:
        expected = f"{expected}; {_EXPECTED}" if expected else _EXPECTED
    return f"unknown language {code!r}: {expected}"


def language(code: str) -> Language:
    """Returns the language of a code.

    Raises:
      InputError: the code is not in the table; the message names the one to write for it, or lists the known ones.
    """
    if code not in LANGUAGES:
        raise InputError(unknown_language(code))
    return LANGUAGES[code]
