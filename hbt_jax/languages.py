"""Languages: code, English name, script and resource level, and the language list of each benchmark.

Scripts are ISO 15924 codes of the script that the benchmark's texts are written in.  Japanese and Korean are given
their combined codes Jpan (Han, Hiragana, Katakana) and Kore (Hangul and Han).  "Under-resourced" marks the five
languages that XM3600 chose for that reason (Thapliyal et al. 2022, arXiv 2205.12522, section 2.1).
"""

import dataclasses

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
    Language("ar", "Arabic", "Arab"),
    Language("bn", "Bengali", "Beng", under_resourced=True),
    Language("cs", "Czech", "Latn"),
    Language("da", "Danish", "Latn"),
    Language("de", "German", "Latn"),
    Language("el", "Greek", "Grek"),
    Language("en", "English", "Latn"),
    Language("es", "Spanish", "Latn"),
    Language("fa", "Persian", "Arab"),
    Language("fi", "Finnish", "Latn"),
    Language("fil", "Filipino", "Latn"),
    Language("fr", "French", "Latn"),
    Language("he", "Hebrew", "Hebr"),
    Language("hi", "Hindi", "Deva"),
    Language("hr", "Croatian", "Latn"),
    Language("hu", "Hungarian", "Latn"),
    Language("id", "Indonesian", "Latn"),
    Language("it", "Italian", "Latn"),
    Language("ja", "Japanese", "Jpan"),
    Language("ko", "Korean", "Kore"),
    Language("mi", "Maori", "Latn", under_resourced=True),
    Language("nl", "Dutch", "Latn"),
    Language("no", "Norwegian", "Latn"),
    Language("pl", "Polish", "Latn"),
    Language("pt", "Portuguese", "Latn"),
    Language("quz", "Cusco Quechua", "Latn", under_resourced=True),
    Language("ro", "Romanian", "Latn"),
    Language("ru", "Russian", "Cyrl"),
    Language("sv", "Swedish", "Latn"),
    Language("sw", "Swahili", "Latn", under_resourced=True),
    Language("te", "Telugu", "Telu", under_resourced=True),
    Language("th", "Thai", "Thai"),
    Language("tr", "Turkish", "Latn"),
    Language("uk", "Ukrainian", "Cyrl"),
    Language("vi", "Vietnamese", "Latn"),
    Language("yo", "Yoruba", "Latn"),
    Language("zh", "Chinese", "Hans"),
)

LANGUAGES = {language.code: language for language in _ALL}

XM3600 = tuple(code for code in LANGUAGES if code != "yo")
XQUAD_R = ("ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh")
MLQA_R = ("ar", "de", "en", "es", "hi", "vi", "zh")
MIRACL = ("ar", "bn", "de", "en", "es", "fa", "fi", "fr", "hi", "id", "ja", "ko", "ru", "sw", "te", "th", "yo", "zh")


def language(code: str) -> Language:
    """Returns the language of a code.

    Raises:
      InputError: the code is not in the table; the message lists the known ones.
    """
    if code not in LANGUAGES:
        raise InputError(f"unknown language {code!r}: the known codes are {' '.join(LANGUAGES)} (hbt_jax/languages.py)")
    return LANGUAGES[code]
