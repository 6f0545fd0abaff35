"""How translation models name our languages.

NLLB-200 names a language and its script as FLORES-200 does (arXiv 2207.04672, table 1), M2M-100 by a code between
underlines (arXiv 2010.11125, table 1).  A language that a model was not trained on is missing here, never replaced by
a relative: NLLB-200's quy_Latn is Ayacucho Quechua, another variety than our quz.
"""

from collections.abc import Collection

from hbt_jax.errors import InputError
from hbt_jax.languages import LANGUAGES, language

_NLLB = {
    "ar": "arb_Arab",
    "bn": "ben_Beng",
    "cs": "ces_Latn",
    "da": "dan_Latn",
    "de": "deu_Latn",
    "el": "ell_Grek",
    "en": "eng_Latn",
    "es": "spa_Latn",
    "fa": "pes_Arab",
    "fi": "fin_Latn",
    "fil": "tgl_Latn",
    "fr": "fra_Latn",
    "he": "heb_Hebr",
    "hi": "hin_Deva",
    "hr": "hrv_Latn",
    "hu": "hun_Latn",
    "id": "ind_Latn",
    "it": "ita_Latn",
    "ja": "jpn_Jpan",
    "ko": "kor_Hang",
    "mi": "mri_Latn",
    "nl": "nld_Latn",
    "no": "nob_Latn",
    "pl": "pol_Latn",
    "pt": "por_Latn",
    "ro": "ron_Latn",
    "ru": "rus_Cyrl",
    "sv": "swe_Latn",
    "sw": "swh_Latn",
    "te": "tel_Telu",
    "th": "tha_Thai",
    "tr": "tur_Latn",
    "uk": "ukr_Cyrl",
    "vi": "vie_Latn",
    "yo": "yor_Latn",
    "zh": "zho_Hans",
}
_NOT_IN_M2M = {"mi", "quz", "te"}
_OTHERWISE_IN_M2M = {"fil": "tl"}
_M2M = {code: f"__{_OTHERWISE_IN_M2M.get(code, code)}__" for code in LANGUAGES if code not in _NOT_IN_M2M}

FAMILIES = {"NLLB-200": _NLLB, "M2M-100": _M2M}  # family -> our code -> the model's token


def family_of(vocabulary: Collection[str], model: object) -> str:
    """The name in FAMILIES of the model that has this vocabulary.

    Args:
      model: folder of the model, for the message.

    Raises:
      InputError: the vocabulary names no language in the manner of any family.
    """
    for family, tokens in FAMILIES.items():
        if any(token in vocabulary for token in tokens.values()):
            return family
    examples = " or ".join(f"{tokens['de']} ({family})" for family, tokens in FAMILIES.items())
    raise InputError(
        f"--model={model}: its vocabulary has no language token such as {examples}: expected a model of"
        f" {' or '.join(FAMILIES)}; where it should be one, convert it with transformers before release 5"
    )


def language_token(family: str, code: str, vocabulary: Collection[str]) -> str:
    """The token that stands for a language in a model.

    Raises:
      InputError: the code is unknown, or the model was not trained on the language.
    """
    name = language(code).name
    token = FAMILIES[family].get(code)
    if token is None or token not in vocabulary:
        known = " ".join(other for other, token in FAMILIES[family].items() if token in vocabulary)
        raise InputError(
            f"this model ({family}) does not translate {code!r} ({name}): it has {known}; leave {code!r} out"
        )
    return token
