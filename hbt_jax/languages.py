"""Maps any BCP-47 or ISO 639-3 code to our one code, its name and its script; lists each benchmark's languages.

The standards' data are not kept here.  langcodes knows which codes exist (IANA's registry), which codes replace others,
and English names (CLDR, and IANA where CLDR has none); babel has CLDR's likely subtags: the script and region that a
language is taken to have where its code does not say them.

Scripts are ISO 15924 codes.  Japanese and Korean have the combined codes Jpan (Han, Hiragana, Katakana) and Kore
(Hangul and Han).  The under-resourced languages are the five that XM3600 chose for that reason (Thapliyal et al.
2022, arXiv 2205.12522, section 2.1), or those that `--under_resourced` states.
"""

import contextlib
import contextvars
import dataclasses
import functools
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TypeVar

import langcodes
from babel.core import get_global
from babel.languages import get_official_languages
from langcodes.registry_parser import parse_registry

from hbt_jax.errors import InputError

Place = TypeVar("Place")

UNDER_RESOURCED = ("bn", "mi", "quz", "sw", "te")
_stated = contextvars.ContextVar("under-resourced languages", default=UNDER_RESOURCED)


@dataclasses.dataclass(frozen=True)
class Language:
    """One language.

    Attributes:
      code: its code here, see `canonical`.
      name: English name, with the script and region that the code states.
      script: ISO 15924 code; Zzzz if CLDR states none.
    """

    code: str
    name: str
    script: str

    @property
    def under_resourced(self) -> bool:
        """Whether it is among UNDER_RESOURCED, or the languages that `state_under_resourced` states."""
        return canonical(self.code) in _stated.get()


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


LISTED = frozenset({*XM3600, *XQUAD_R, *MLQA_R, *MIRACL, *TATOEBA.values(), *BELEBELE.values()})

_EXPECTED = "expected a BCP-47 or ISO 639-3 code such as de, zh-Hant, ha or arb_Arab"
_SPECIAL = ("mis", "mul", "und", "zxx", "i-default")  # codes for what is no one language
_OURS = {"nb": "no", "pbt": "ps"}  # standard forms that benchmarks name by the wider code, beside CLDR's
_VARIETIES = ("fat", "mhr", "quz", "tw")  # CLDR names them by the wider code; data sets have them beside it
_FAMILIES = {"ber": "ber_Latn_DZ"}  # LASER's texts; CLDR has no likely script of a family
# Names that are no BCP-47 codes, or codes of something else, as others use them -> our code.
_NAMED_ELSEWHERE = {
    # Wikipedia's
    "bat-smg": "sgs", "be-x-old": "be", "cbk-zam": "cbk", "fiu-vro": "vro", "map-bms": "jv", "roa-rup": "rup",
    "roa-tara": "nap", "sr-ec": "sr", "sr-el": "sr-Latn", "zh-classical": "lzh",
    # Microsoft's, Tesseract's, mBART's
    "zh-chs": "zh", "zh-cht": "zh-Hant", "chi-sim": "zh", "chi-tra": "zh-Hant", "ar-ar": "ar",
    # CC-100's
    "bn-rom": "bn-Latn", "hi-rom": "hi-Latn", "ta-rom": "ta-Latn", "te-rom": "te-Latn", "ur-rom": "ur-Latn",
}  # fmt: skip
_NO_REGION = re.compile("AA|Q[M-Z]|X[A-JL-Z]|ZZ")  # for private use, such as mBART's en_XX; XK is Kosovo
_NO_SCRIPT = "Zzzz"
_NOT_ONE = {  # names of several languages, or of none -> what was probably meant
    "sh": ("bs", "hr", "sr"), "hbs": ("bs", "hr", "sr"), "chs": ("zh",), "simple": ("en",),
}  # fmt: skip
_PART_OF = {"Hang": "Kore"}  # a script -> the combined script that CLDR has for the language written in it


def canonical(code: str) -> str:
    """The one code here of a language, for any code of it.

    Codes that another replaces, overlong codes and codes of standard forms become the code that CLDR has for the
    language; a script or region is left out where CLDR's likely subtags give it anyway (Unicode Technical Standard 35,
    "Remove Likely Subtags", favouring the script).  Variants, extensions, POSIX encodings and modifiers do not name a
    language and are left out.  A code for private use alone (x-klingon) names none.  Some names that are not codes
    are known too: Wikipedia's (map-bms) and others'.  If a code names two languages (zh-yue), the second counts if
    IANA's registry has it as a part of the first; if not, they are a pair of languages, which is not a code.

    Raises:
      InputError: no language has the code; the message names the code that was probably meant.

    >>> [canonical(code) for code in ("eng-Latn", "arb_Arab", "iw", "tl", "nb", "zh-TW", "zh_CN", "pt-BR", "pt-PT")]
    ['en', 'ar', 'he', 'fil', 'no', 'zh-Hant', 'zh', 'pt', 'pt-PT']
    """
    found = _canonical(code) if isinstance(code, str) else None
    if found is None:
        raise InputError(unknown_language(code))
    return found


def is_known(code: object) -> bool:
    """Whether a value is a code of a language."""
    return isinstance(code, str) and _canonical(code) is not None


def own_code(code: str) -> str:
    """The code that results show: a published benchmark's code, such as Tatoeba's tl, stays; others become canonical.

    Codes that users give are read by `canonical`, so that two spellings of a language count as one.

    Raises:
      InputError: as `canonical`.
    """
    return code if code in LISTED else canonical(code)


def by_language(codes: Mapping[Place, str], named: str) -> dict[str, Place]:
    """{canonical code: place}, from the code that each place names, in the order of the places.

    Args:
      codes: place, such as a file -> the code it names.
      named: how places are named, for the message on an unknown code.

    Raises:
      InputError: a code is unknown, or two places name one language.
    """
    found = {}
    for place, written in codes.items():
        try:
            code = canonical(written)
        except InputError as error:
            raise InputError(f"{place}: {unknown_language(written, named)}") from error
        if code in found:
            raise InputError(f"{found[code]} and {place} are both in {code!r}: expected one; join or remove one")
        found[code] = place
    return found


@functools.lru_cache(maxsize=4096)
def language(code: str) -> Language:
    """The language with a code; raises InputError as `canonical`."""
    code = own_code(code)
    tag = langcodes.Language.get(code, normalize=False)
    return Language(code, tag.display_name(), _likely(tag.language, tag.script, tag.territory)[1] or _NO_SCRIPT)


@contextlib.contextmanager
def state_under_resourced(codes: Iterable[str]) -> Iterator[None]:
    """Within the context, `codes` are the under-resourced languages, in any spelling; raises InputError if unknown."""
    token = _stated.set(tuple(dict.fromkeys(map(canonical, codes))))
    try:
        yield
    finally:
        _stated.reset(token)


def under_resourced() -> dict[str, list[str]]:
    """The setting that results record: the stated under-resourced languages; empty for XM3600's five."""
    return {} if _stated.get() == UNDER_RESOURCED else {"under_resourced": list(_stated.get())}


def under_resourced_words() -> str:
    """Which languages are under-resourced, for definitions and reports.

    >>> under_resourced_words()
    "XM3600's five under-resourced languages"
    """
    codes = under_resourced().get("under_resourced")
    return f"the under-resourced languages ({' '.join(codes)})" if codes else "XM3600's five under-resourced languages"


def same_language(code: str, known: Collection[str] | None = None) -> list[str]:
    """The known codes of the language that another code means; empty if there are none.

    Args:
      code: a code, a country's code taken for its language's (`jp`), or an English name (`Chinese`).
      known: the accepted codes, or other names of languages; None: any canonical code.

    >>> [same_language(code) for code in ("zh-CN", "jp", "jpn", "sh", "Hebrew", "xx")]
    [['zh'], ['ja'], ['ja'], ['bs', 'hr', 'sr'], ['he'], []]
    >>> same_language("que", XM3600), same_language("nb", TATOEBA)
    (['quz'], ['nob'])
    """
    meant = _meant(code)
    if known is None:
        return [one for one in meant if one != code]
    for of in (lambda one: set(_meant(one)), lambda one: {_wider(found) for found in _meant(one)}):
        if found := [one for one in known if one != code and of(one) & of(code)]:
            return found
    return []


def unknown_language(code: object, expected: str = "", known: Collection[str] | None = None) -> str:
    """The part of a message that says what is wrong with an unknown language, and what to write instead.

    Args:
      code: what was found.
      expected: what is expected, if it is not another name of a known language: with `known`, a whole sentence such as
        "XM3600 has ar bn ..."; otherwise what comes before the words on codes.
      known: the accepted codes or names; None: any code.

    >>> unknown_language("jp")
    "unknown language 'jp': write ja, its code here"
    """
    same = same_language(code, known) if isinstance(code, str) else []
    if same:
        why = "its code here" if len(same) == 1 else "whichever it is"
        return f"unknown language {code!r}: write {' or '.join(same)}, {why}"
    if known is None:
        expected = f"{expected}; {_EXPECTED}" if expected else _EXPECTED
    return f"unknown language {code!r}: {expected}"


@functools.lru_cache(maxsize=4096)
def _canonical(code: str) -> str | None:
    """See `canonical`; None for what is no code of one language."""
    plain = re.split("[.@]", code.strip())[0].replace("_", "-")
    plain = _NAMED_ELSEWHERE.get(plain.casefold(), plain)
    try:
        narrow = langcodes.Language.get(plain)
    except langcodes.LanguageTagError:
        return None
    tag = narrow if narrow.language in _VARIETIES else narrow.prefer_macrolanguage()
    own = tag.language
    script, region = _PART_OF.get(tag.script, tag.script), tag.territory
    for extension in tag.extlangs or ():  # ar-arz is arz; a region of three letters looks alike: ar-EGY
        alias = get_global("territory_aliases").get(extension.upper())
        if alias and extension.upper() in plain.split("-"):
            region = alias[0]
            continue
        part = langcodes.Language.get(extension).language  # nn for nno
        if not {(extension, narrow.language), (part, narrow.language), (extension, own)} & _registered_parts():
            return None  # a pair of languages, or a name by a standard that is not known here
        return _canonical("-".join(filter(None, (extension, tag.script, tag.territory))))
    region = None if region and _NO_REGION.fullmatch(region) else region
    stated = [part for part in (own, script, region) if part]
    first = plain.casefold().partition("-")[0]
    if own is None or {first, plain.casefold()} & {*_SPECIAL, *_NOT_ONE, "x"} or "qaa" <= own <= "qtz":
        return None
    if not langcodes.tag_is_valid("-".join(stated)):
        return None
    return _shortest(_OURS.get(own, own), script, region)


@functools.cache
def _registered_parts() -> frozenset[tuple[str, str]]:
    """(language, wider language) for all that IANA's registry has, and the languages that may stand after another."""
    return frozenset(
        (entry["Subtag"], wider)
        for entry in parse_registry()
        if entry["Type"] in ("language", "extlang")
        for wider in (entry.get("Macrolanguage"), *entry.get("Prefix", ()))
        if wider
    )


def _shortest(own: str, script: str | None, region: str | None) -> str:
    """The shortest code with the same likely language, script and region."""
    whole = _likely(own, script, region)
    for short_script, short_region in ((None, None), (whole[1], None), (None, whole[2])):
        if whole[1] and _likely(own, short_script, short_region) == whole:
            return "-".join(filter(None, (own, short_script, short_region)))
    return "-".join(filter(None, (own, script, region)))


def _likely(own: str, script: str | None = None, region: str | None = None) -> tuple:
    """(language, script, region) with what is missing by CLDR's likely subtags, None where it has none."""
    likely = get_global("likely_subtags")
    for key in ((own, script, region), (own, script), (own, region), (own,), (_cldr(own),)):
        if all(key) and (found := likely.get("_".join(key)) or _FAMILIES.get(own)):
            _, likely_script, likely_region = found.split("_")
            return own, script or likely_script, region or likely_region
    return own, script, region


def _cldr(own: str) -> str:
    """The code that CLDR has in place of a language's."""
    return get_global("language_aliases").get(own, own)


@functools.lru_cache(maxsize=4096)
def _meant(code: str) -> tuple[str, ...]:
    """The canonical codes that a code or name probably means."""
    if (found := _canonical(code)) is not None:
        return (found,)
    plain, *others = re.split("[-_.@]", code.strip().casefold())
    if guessed := _NOT_ONE.get(plain):
        return guessed
    if (
        len(plain) == 2
        and not is_known(plain)
        and (of_country := get_global("likely_subtags").get(f"und_{plain.upper()}"))
    ):
        return (canonical(of_country),)
    if len(others) == 1 and (of_country := get_global("territory_aliases").get(others[0].upper())):  # pt-bra
        found = _canonical(f"{plain}-{of_country[0]}")
        spoken = get_official_languages(of_country[0], regional=True, de_facto=True)
        if found and found.partition("-")[0] in {one.partition("_")[0] for one in spoken}:
            return (found,)
    if "".join(others).isalpha() and not any(map(is_known, others)) and (found := _canonical(plain)):  # de_frak
        return (found,)
    return _named(code.partition("(")[0].strip())


def _named(name: str) -> tuple[str, ...]:
    """The canonical code of a language with an English name."""
    if len(name) < 4 or not name.replace(" ", "").isalpha():
        return ()
    try:
        return tuple(filter(None, [_canonical(str(langcodes.find(name)))]))
    except LookupError:
        return ()


def _wider(code: str) -> str:
    """A canonical code without script and region; for a variety that is kept apart, the wider language."""
    own, *_ = code.split("-")
    return str(langcodes.Language.get(own).prefer_macrolanguage())
