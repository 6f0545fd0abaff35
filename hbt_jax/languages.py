"""Languages: code, English name, script and resource level, and the language list of each benchmark.

Scripts are ISO 15924 codes of the script of the benchmarks' texts.  Japanese and Korean have the combined codes Jpan
(Han, Hiragana, Katakana) and Kore (Hangul and Han).  The five under-resourced languages are those that XM3600 chose for
that reason (Thapliyal et al. 2022, arXiv 2205.12522, section 2.1).
"""

import dataclasses
import re
from collections.abc import Iterable

from hbt_jax.errors import InputError


@dataclasses.dataclass(frozen=True)
class Language:
    """One language as the benchmarks name it.

    Attributes:
      code: BCP-47 code, as the benchmarks write it (`no`, `fil`, `quz`).
      name: English name.
      script: ISO 15924 code.
      under_resourced: whether XM3600 lists it among its five under-resourced languages.
    """

    code: str
    name: str
    script: str
    under_resourced: bool = False


_BY_SCRIPT = {  # ISO 15924 code -> code and English name of each language written in it
    "Arab": {
        "acm": "Mesopotamian Arabic", "apc": "North Levantine Arabic", "ar": "Arabic", "arq": "Algerian Arabic",
        "ars": "Najdi Arabic", "ary": "Moroccan Arabic", "arz": "Egyptian Arabic", "ckb": "Central Kurdish",
        "fa": "Persian", "ps": "Pashto", "sd": "Sindhi", "ug": "Uyghur", "ur": "Urdu",
    },
    "Armn": {"hy": "Armenian"},
    "Beng": {"as": "Assamese", "bn": "Bengali"},
    "Cyrl": {
        "be": "Belarusian", "bg": "Bulgarian", "kk": "Kazakh", "ky": "Kyrgyz", "mhr": "Eastern Mari",
        "mk": "Macedonian", "mn": "Mongolian", "orv": "Old East Slavic", "ru": "Russian", "sr": "Serbian",
        "tg": "Tajik", "tt": "Tatar", "uk": "Ukrainian",
    },
    "Deva": {"awa": "Awadhi", "hi": "Hindi", "mr": "Marathi", "ne": "Nepali"},
    "Ethi": {"am": "Amharic", "ti": "Tigrinya"},
    "Geor": {"ka": "Georgian"},
    "Grek": {"el": "Greek"},
    "Gujr": {"gu": "Gujarati"},
    "Guru": {"pa": "Punjabi"},
    "Hans": {"wuu": "Wu Chinese", "zh": "Chinese"},
    "Hant": {"yue": "Cantonese", "zh-Hant": "Chinese, traditional"},
    "Hebr": {"he": "Hebrew", "yi": "Yiddish"},
    "Jpan": {"ja": "Japanese"},
    "Khmr": {"km": "Khmer"},
    "Knda": {"kn": "Kannada"},
    "Kore": {"ko": "Korean"},
    "Laoo": {"lo": "Lao"},
    "Latn": {
        "af": "Afrikaans", "ang": "Old English", "ar-Latn": "Arabic, romanised", "ast": "Asturian", "az": "Azerbaijani",
        "ber": "Berber", "bm": "Bambara", "bn-Latn": "Bengali, romanised", "br": "Breton", "bs": "Bosnian",
        "ca": "Catalan", "cbk": "Chavacano", "ceb": "Cebuano", "ch": "Chamorro", "cs": "Czech", "csb": "Kashubian",
        "cy": "Welsh", "da": "Danish", "de": "German", "dsb": "Lower Sorbian", "dtp": "Kadazan Dusun", "en": "English",
        "eo": "Esperanto", "es": "Spanish", "et": "Estonian", "eu": "Basque", "fi": "Finnish", "fil": "Filipino",
        "fo": "Faroese", "fr": "French", "fuv": "Nigerian Fulfulde", "fy": "Western Frisian", "ga": "Irish",
        "gd": "Scottish Gaelic", "gl": "Galician", "gn": "Guarani", "gsw": "Swiss German", "ha": "Hausa",
        "hi-Latn": "Hindi, romanised", "hr": "Croatian", "hsb": "Upper Sorbian", "ht": "Haitian Creole",
        "hu": "Hungarian", "ia": "Interlingua", "id": "Indonesian", "ie": "Interlingue", "ig": "Igbo", "ilo": "Iloko",
        "io": "Ido", "is": "Icelandic", "it": "Italian", "jv": "Javanese", "kab": "Kabyle", "kac": "Jingpho",
        "kea": "Kabuverdianu", "ku": "Kurdish", "kw": "Cornish", "kzj": "Coastal Kadazan", "la": "Latin",
        "lfn": "Lingua Franca Nova", "lg": "Ganda", "ln": "Lingala", "lt": "Lithuanian", "luo": "Luo", "lv": "Latvian",
        "max": "North Moluccan Malay", "mg": "Malagasy", "mi": "Maori", "ms": "Malay", "mt": "Maltese",
        "nds": "Low German", "ne-Latn": "Nepali, romanised", "nl": "Dutch", "nn": "Norwegian Nynorsk",
        "no": "Norwegian", "nov": "Novial", "nso": "Northern Sotho", "ny": "Nyanja", "oc": "Occitan", "om": "Oromo",
        "pam": "Kapampangan", "pl": "Polish", "pms": "Piedmontese", "pt": "Portuguese", "quz": "Cusco Quechua",
        "ro": "Romanian", "rw": "Kinyarwanda", "si-Latn": "Sinhala, romanised", "sk": "Slovak", "sl": "Slovenian",
        "sn": "Shona", "so": "Somali", "sq": "Albanian", "ss": "Swati", "st": "Southern Sotho", "su": "Sundanese",
        "sv": "Swedish", "sw": "Swahili", "swg": "Swabian", "tk": "Turkmen", "tl": "Tagalog", "tn": "Tswana",
        "tr": "Turkish", "ts": "Tsonga", "tzl": "Talossan", "ur-Latn": "Urdu, romanised", "uz": "Uzbek",
        "vi": "Vietnamese", "war": "Waray", "wo": "Wolof", "xh": "Xhosa", "yo": "Yoruba", "zu": "Zulu",
    },
    "Mlym": {"ml": "Malayalam"},
    "Mymr": {"my": "Burmese", "shn": "Shan"},
    "Orya": {"or": "Odia"},
    "Sinh": {"si": "Sinhala"},
    "Taml": {"ta": "Tamil"},
    "Telu": {"te": "Telugu"},
    "Thai": {"th": "Thai"},
    "Tibt": {"bo": "Tibetan"},
}  # fmt: skip
_UNDER_RESOURCED = ("bn", "mi", "quz", "sw", "te")

LANGUAGES = {
    code: Language(code, name, script, code in _UNDER_RESOURCED)
    for code, name, script in sorted(
        (code, name, script) for script, languages in _BY_SCRIPT.items() for code, name in languages.items()
    )
}

XM3600 = (
    "ar", "bn", "cs", "da", "de", "el", "en", "es", "fa", "fi", "fil", "fr", "he", "hi", "hr", "hu", "id", "it", "ja",
    "ko", "mi", "nl", "no", "pl", "pt", "quz", "ro", "ru", "sv", "sw", "te", "th", "tr", "uk", "vi", "zh",
)  # fmt: skip
XQUAD_R = ("ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh")
MLQA_R = ("ar", "de", "en", "es", "hi", "vi", "zh")
MIRACL = ("ar", "bn", "de", "en", "es", "fa", "fi", "fr", "hi", "id", "ja", "ko", "ru", "sw", "te", "th", "yo", "zh")
# Code in the names of LASER's Tatoeba files (ISO 639-3; English is eng) -> our code.
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
# Code in the names of Belebele's files (FLORES-200) -> our code.  For a language in several scripts, the plain code
# means the usual script; codes for other scripts name the script.
BELEBELE = {
    "acm_Arab": "acm", "afr_Latn": "af", "als_Latn": "sq", "amh_Ethi": "am", "apc_Arab": "apc", "arb_Arab": "ar",
    "arb_Latn": "ar-Latn", "ars_Arab": "ars", "ary_Arab": "ary", "arz_Arab": "arz", "asm_Beng": "as",
    "azj_Latn": "az", "bam_Latn": "bm", "ben_Beng": "bn", "ben_Latn": "bn-Latn", "bod_Tibt": "bo", "bul_Cyrl": "bg",
    "cat_Latn": "ca", "ceb_Latn": "ceb", "ces_Latn": "cs", "ckb_Arab": "ckb", "dan_Latn": "da", "deu_Latn": "de",
    "ell_Grek": "el", "eng_Latn": "en", "est_Latn": "et", "eus_Latn": "eu", "fin_Latn": "fi", "fra_Latn": "fr",
    "fuv_Latn": "fuv", "gaz_Latn": "om", "grn_Latn": "gn", "guj_Gujr": "gu", "hat_Latn": "ht", "hau_Latn": "ha",
    "heb_Hebr": "he", "hin_Deva": "hi", "hin_Latn": "hi-Latn", "hrv_Latn": "hr", "hun_Latn": "hu", "hye_Armn": "hy",
    "ibo_Latn": "ig", "ilo_Latn": "ilo", "ind_Latn": "id", "isl_Latn": "is", "ita_Latn": "it", "jav_Latn": "jv",
    "jpn_Jpan": "ja", "kac_Latn": "kac", "kan_Knda": "kn", "kat_Geor": "ka", "kaz_Cyrl": "kk", "kea_Latn": "kea",
    "khk_Cyrl": "mn", "khm_Khmr": "km", "kin_Latn": "rw", "kir_Cyrl": "ky", "kor_Hang": "ko", "lao_Laoo": "lo",
    "lin_Latn": "ln", "lit_Latn": "lt", "lug_Latn": "lg", "luo_Latn": "luo", "lvs_Latn": "lv", "mal_Mlym": "ml",
    "mar_Deva": "mr", "mkd_Cyrl": "mk", "mlt_Latn": "mt", "mri_Latn": "mi", "mya_Mymr": "my", "nld_Latn": "nl",
    "nob_Latn": "no", "npi_Deva": "ne", "npi_Latn": "ne-Latn", "nso_Latn": "nso", "nya_Latn": "ny", "ory_Orya": "or",
    "pan_Guru": "pa", "pbt_Arab": "ps", "pes_Arab": "fa", "plt_Latn": "mg", "pol_Latn": "pl", "por_Latn": "pt",
    "ron_Latn": "ro", "rus_Cyrl": "ru", "shn_Mymr": "shn", "sin_Latn": "si-Latn", "sin_Sinh": "si", "slk_Latn": "sk",
    "slv_Latn": "sl", "sna_Latn": "sn", "snd_Arab": "sd", "som_Latn": "so", "sot_Latn": "st", "spa_Latn": "es",
    "srp_Cyrl": "sr", "ssw_Latn": "ss", "sun_Latn": "su", "swe_Latn": "sv", "swh_Latn": "sw", "tam_Taml": "ta",
    "tel_Telu": "te", "tgk_Cyrl": "tg", "tgl_Latn": "tl", "tha_Thai": "th", "tir_Ethi": "ti", "tsn_Latn": "tn",
    "tso_Latn": "ts", "tur_Latn": "tr", "ukr_Cyrl": "uk", "urd_Arab": "ur", "urd_Latn": "ur-Latn", "uzn_Latn": "uz",
    "vie_Latn": "vi", "war_Latn": "war", "wol_Latn": "wo", "xho_Latn": "xh", "yor_Latn": "yo", "zho_Hans": "zh",
    "zho_Hant": "zh-Hant", "zsm_Latn": "ms", "zul_Latn": "zu",
}  # fmt: skip


# Other codes of the same languages: ISO 639-2 and 639-3, withdrawn codes, common mistakes.  The code of a standard
# form counts as the language (ekk is et, arb is ar); the code of another variety does not.
_OTHER_CODES = {
    "af": "afr", "am": "amh", "ar": "ara arb", "as": "asm", "az": "aze azj", "be": "bel", "bg": "bul", "bm": "bam",
    "bn": "ben", "bo": "bod tib", "br": "bre", "bs": "bos sh hbs", "ca": "cat", "ch": "cha", "cs": "ces cze cz",
    "cy": "cym wel", "da": "dan dk", "de": "deu ger", "dtp": "tdu ktr kzt", "el": "ell gre gr", "en": "eng",
    "eo": "epo", "es": "spa", "et": "est ekk", "eu": "eus baq", "fa": "fas per pes prs", "fi": "fin", "fil": "tl tgl",
    "fo": "fao", "fr": "fra fre", "fy": "fry", "ga": "gle", "gd": "gla", "gl": "glg", "gn": "grn", "gu": "guj",
    "ha": "hau", "he": "heb iw", "hi": "hin", "hr": "hrv scr sh hbs", "ht": "hat", "hu": "hun", "hy": "hye arm",
    "ia": "ina", "id": "ind in", "ie": "ile", "ig": "ibo", "io": "ido", "is": "isl ice", "it": "ita", "ja": "jpn jp",
    "jv": "jav jw", "ka": "kat geo", "kk": "kaz", "km": "khm", "kn": "kan", "ko": "kor kr", "ku": "kur kmr",
    "kw": "cor", "ky": "kir", "la": "lat", "lg": "lug", "ln": "lin", "lo": "lao", "lt": "lit", "lv": "lav lvs",
    "mg": "mlg plt", "mi": "mri mao", "mk": "mkd mac", "ml": "mal", "mn": "mon khk", "mr": "mar", "ms": "msa may zsm",
    "mt": "mlt", "my": "mya bur", "ne": "nep npi", "nl": "nld dut", "nn": "nno", "no": "nor nb nob", "ny": "nya",
    "oc": "oci", "om": "orm gaz", "or": "ori ory", "pa": "pan", "pl": "pol", "ps": "pus pbt pst", "pt": "por",
    "quz": "qu que", "ro": "ron rum mo mol", "ru": "rus", "rw": "kin", "sd": "snd", "si": "sin", "sk": "slk slo",
    "sl": "slv", "sn": "sna", "so": "som", "sq": "sqi alb als", "sr": "srp scc sh hbs cnr", "ss": "ssw", "st": "sot",
    "su": "sun", "sv": "swe", "sw": "swa swh swc", "ta": "tam", "te": "tel", "tg": "tgk", "th": "tha", "ti": "tir",
    "tk": "tuk", "tl": "tgl fil", "tn": "tsn", "tr": "tur", "ts": "tso", "tt": "tat", "ug": "uig", "uk": "ukr ua",
    "ur": "urd", "uz": "uzb uzn", "vi": "vie vn", "wo": "wol", "xh": "xho", "yi": "yid ydd ji", "yo": "yor",
    "zh": "zho chi cmn cn chs cht", "zu": "zul",
}  # fmt: skip
_WITH_MEMBERS = ("ar", "ms", "zh")  # macrolanguages: a three-letter subtag after these codes means another language
_COUNTRIES = (  # three-letter country codes, which may follow these codes too
    "are bhr brn chn dza egy hkg idn irq jor kwt lbn lby mac mar mrt mys omn pse qat sau sdn sgp syr tun twn yem"
)


def same_language(code: str, known: Iterable[str] = LANGUAGES) -> list[str]:
    """The known codes of the language that another code means; empty if there are none.

    Args:
      code: a code of another standard (`zho`, `iw`), with a script or a country (`zh-Hans`, `zh_CN`, `pt-BR`,
        `eng_Latn`, `de_DE.UTF-8`), in another case (`ZH`), or an English name (`Chinese`).
      known: the accepted codes, or other names of languages.

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
    """The subtags of a code in lower case, without a POSIX encoding; of zh-yue, starting with yue.

    >>> [_subtags(code) for code in ("pt_BR.UTF-8", "zh-yue-HK", "ZH")]
    [['pt', 'br'], ['yue', 'hk'], ['zh']]
    """
    found = re.split(r"[.@]", code.strip())[0].replace("_", "-").casefold().split("-")
    of_its_own = found[0] in _WITH_MEMBERS and len(found) > 1 and len(found[1]) == 3 and found[1].isalpha()
    of_its_own = of_its_own and found[1] not in _COUNTRIES.split()
    return found[of_its_own:]


def _codes_here(code: str) -> set[str]:
    """The codes in `LANGUAGES` that a code or an English name stands for."""
    plain = _subtags(code)[0]
    found = {plain} & LANGUAGES.keys() | {one for one, others in _OTHER_CODES.items() if plain in others.split()}
    name = code.partition("(")[0].strip().casefold()  # of "Chinese (Simplified)"
    return found or {language.code for language in LANGUAGES.values() if language.name.casefold() == name}


_EXPECTED = f"the known codes are {' '.join(LANGUAGES)}; add others to hbt_jax/languages.py"


def unknown_language(code: object, expected: str = "", known: Iterable[str] = LANGUAGES) -> str:
    """The part of a message that says what is wrong with an unknown language, and what to write instead.

    Args:
      code: what was found.
      expected: what is expected, if it is not another name of a known language: with `known`, a whole sentence such as
        "XM3600 has ar bn ..."; otherwise what comes before the list of `LANGUAGES`.
      known: the accepted codes or names.

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
    """The language with a code.

    Raises:
      InputError: the code is unknown; the message names the code to write instead, or lists the known ones.
    """
    if code not in LANGUAGES:
        raise InputError(unknown_language(code))
    return LANGUAGES[code]
