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
    Language("acm", "Mesopotamian Arabic", "Arab"),
    Language("af", "Afrikaans", "Latn"),
    Language("am", "Amharic", "Ethi"),
    Language("ang", "Old English", "Latn"),
    Language("apc", "North Levantine Arabic", "Arab"),
    Language("ar", "Arabic", "Arab"),
    Language("ar-Latn", "Arabic, romanised", "Latn"),
    Language("arq", "Algerian Arabic", "Arab"),
    Language("ars", "Najdi Arabic", "Arab"),
    Language("ary", "Moroccan Arabic", "Arab"),
    Language("arz", "Egyptian Arabic", "Arab"),
    Language("as", "Assamese", "Beng"),
    Language("ast", "Asturian", "Latn"),
    Language("awa", "Awadhi", "Deva"),
    Language("az", "Azerbaijani", "Latn"),
    Language("be", "Belarusian", "Cyrl"),
    Language("ber", "Berber", "Latn"),
    Language("bg", "Bulgarian", "Cyrl"),
    Language("bm", "Bambara", "Latn"),
    Language("bn", "Bengali", "Beng", under_resourced=True),
    Language("bn-Latn", "Bengali, romanised", "Latn"),
    Language("bo", "Tibetan", "Tibt"),
    Language("br", "Breton", "Latn"),
    Language("bs", "Bosnian", "Latn"),
    Language("ca", "Catalan", "Latn"),
    Language("cbk", "Chavacano", "Latn"),
    Language("ceb", "Cebuano", "Latn"),
    Language("ch", "Chamorro", "Latn"),
    Language("ckb", "Central Kurdish", "Arab"),
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
    Language("fuv", "Nigerian Fulfulde", "Latn"),
    Language("fy", "Western Frisian", "Latn"),
    Language("ga", "Irish", "Latn"),
    Language("gd", "Scottish Gaelic", "Latn"),
    Language("gl", "Galician", "Latn"),
    Language("gn", "Guarani", "Latn"),
    Language("gsw", "Swiss German", "Latn"),
    Language("gu", "Gujarati", "Gujr"),
    Language("ha", "Hausa", "Latn"),
    Language("he", "Hebrew", "Hebr"),
    Language("hi", "Hindi", "Deva"),
    Language("hi-Latn", "Hindi, romanised", "Latn"),
    Language("hr", "Croatian", "Latn"),
    Language("hsb", "Upper Sorbian", "Latn"),
    Language("ht", "Haitian Creole", "Latn"),
    Language("hu", "Hungarian", "Latn"),
    Language("hy", "Armenian", "Armn"),
    Language("ia", "Interlingua", "Latn"),
    Language("id", "Indonesian", "Latn"),
    Language("ie", "Interlingue", "Latn"),
    Language("ig", "Igbo", "Latn"),
    Language("ilo", "Iloko", "Latn"),
    Language("io", "Ido", "Latn"),
    Language("is", "Icelandic", "Latn"),
    Language("it", "Italian", "Latn"),
    Language("ja", "Japanese", "Jpan"),
    Language("jv", "Javanese", "Latn"),
    Language("ka", "Georgian", "Geor"),
    Language("kab", "Kabyle", "Latn"),
    Language("kac", "Jingpho", "Latn"),
    Language("kea", "Kabuverdianu", "Latn"),
    Language("kk", "Kazakh", "Cyrl"),
    Language("km", "Khmer", "Khmr"),
    Language("kn", "Kannada", "Knda"),
    Language("ko", "Korean", "Kore"),
    Language("ku", "Kurdish", "Latn"),
    Language("kw", "Cornish", "Latn"),
    Language("ky", "Kyrgyz", "Cyrl"),
    Language("kzj", "Coastal Kadazan", "Latn"),
    Language("la", "Latin", "Latn"),
    Language("lfn", "Lingua Franca Nova", "Latn"),
    Language("lg", "Ganda", "Latn"),
    Language("ln", "Lingala", "Latn"),
    Language("lo", "Lao", "Laoo"),
    Language("lt", "Lithuanian", "Latn"),
    Language("luo", "Luo", "Latn"),
    Language("lv", "Latvian", "Latn"),
    Language("max", "North Moluccan Malay", "Latn"),
    Language("mg", "Malagasy", "Latn"),
    Language("mhr", "Eastern Mari", "Cyrl"),
    Language("mi", "Maori", "Latn", under_resourced=True),
    Language("mk", "Macedonian", "Cyrl"),
    Language("ml", "Malayalam", "Mlym"),
    Language("mn", "Mongolian", "Cyrl"),
    Language("mr", "Marathi", "Deva"),
    Language("ms", "Malay", "Latn"),
    Language("mt", "Maltese", "Latn"),
    Language("my", "Burmese", "Mymr"),
    Language("nds", "Low German", "Latn"),
    Language("ne", "Nepali", "Deva"),
    Language("ne-Latn", "Nepali, romanised", "Latn"),
    Language("nl", "Dutch", "Latn"),
    Language("nn", "Norwegian Nynorsk", "Latn"),
    Language("no", "Norwegian", "Latn"),
    Language("nov", "Novial", "Latn"),
    Language("nso", "Northern Sotho", "Latn"),
    Language("ny", "Nyanja", "Latn"),
    Language("oc", "Occitan", "Latn"),
    Language("om", "Oromo", "Latn"),
    Language("or", "Odia", "Orya"),
    Language("orv", "Old East Slavic", "Cyrl"),
    Language("pa", "Punjabi", "Guru"),
    Language("pam", "Kapampangan", "Latn"),
    Language("pl", "Polish", "Latn"),
    Language("pms", "Piedmontese", "Latn"),
    Language("ps", "Pashto", "Arab"),
    Language("pt", "Portuguese", "Latn"),
    Language("quz", "Cusco Quechua", "Latn", under_resourced=True),
    Language("ro", "Romanian", "Latn"),
    Language("ru", "Russian", "Cyrl"),
    Language("rw", "Kinyarwanda", "Latn"),
    Language("sd", "Sindhi", "Arab"),
    Language("shn", "Shan", "Mymr"),
    Language("si", "Sinhala", "Sinh"),
    Language("si-Latn", "Sinhala, romanised", "Latn"),
    Language("sk", "Slovak", "Latn"),
    Language("sl", "Slovenian", "Latn"),
    Language("sn", "Shona", "Latn"),
    Language("so", "Somali", "Latn"),
    Language("sq", "Albanian", "Latn"),
    Language("sr", "Serbian", "Cyrl"),
    Language("ss", "Swati", "Latn"),
    Language("st", "Southern Sotho", "Latn"),
    Language("su", "Sundanese", "Latn"),
    Language("sv", "Swedish", "Latn"),
    Language("sw", "Swahili", "Latn", under_resourced=True),
    Language("swg", "Swabian", "Latn"),
    Language("ta", "Tamil", "Taml"),
    Language("te", "Telugu", "Telu", under_resourced=True),
    Language("tg", "Tajik", "Cyrl"),
    Language("th", "Thai", "Thai"),
    Language("ti", "Tigrinya", "Ethi"),
    Language("tk", "Turkmen", "Latn"),
    Language("tl", "Tagalog", "Latn"),
    Language("tn", "Tswana", "Latn"),
    Language("tr", "Turkish", "Latn"),
    Language("ts", "Tsonga", "Latn"),
    Language("tt", "Tatar", "Cyrl"),
    Language("tzl", "Talossan", "Latn"),
    Language("ug", "Uyghur", "Arab"),
    Language("uk", "Ukrainian", "Cyrl"),
    Language("ur", "Urdu", "Arab"),
    Language("ur-Latn", "Urdu, romanised", "Latn"),
    Language("uz", "Uzbek", "Latn"),
    Language("vi", "Vietnamese", "Latn"),
    Language("war", "Waray", "Latn"),
    Language("wo", "Wolof", "Latn"),
    Language("wuu", "Wu Chinese", "Hans"),
    Language("xh", "Xhosa", "Latn"),
    Language("yi", "Yiddish", "Hebr"),
    Language("yo", "Yoruba", "Latn"),
    Language("yue", "Cantonese", "Hant"),
    Language("zh", "Chinese", "Hans"),
    Language("zh-Hant", "Chinese, traditional", "Hant"),
    Language("zu", "Zulu", "Latn"),
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
# Code in the names of Belebele's files (FLORES-200) -> code here.  Of a language in several scripts, the one that its
# code alone stands for here is the usual one; the others have the script in their code.
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


# Other codes of the same languages: ISO 639-2 and 639-3, withdrawn ones, and what is often written for them.  A code of
# a language's standard form counts as the language (ekk is et, arb is ar); that of another variety of it does not.
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
