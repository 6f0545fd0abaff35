"""How translation models name our languages.

NLLB-200 names a language and its script as FLORES-200 does (arXiv 2207.04672, table 1), M2M-100 by a code between
underlines (arXiv 2010.11125, table 1).  A language that a model was not trained on is missing here, never replaced by
a relative: NLLB-200's quy_Latn is Ayacucho Quechua, another variety than our quz.  Where NLLB-200 names the standard
member of what our code means (azj of az, kmr of ku, khk of mn, als of sq, uzn of uz, ydd of yi), that one stands.
"""

from collections.abc import Collection

from hbt_jax.errors import InputError
from hbt_jax.languages import LANGUAGES, language

_NLLB = {
    "af": "afr_Latn",
    "am": "amh_Ethi",
    "ar": "arb_Arab",
    "arz": "arz_Arab",
    "ast": "ast_Latn",
    "awa": "awa_Deva",
    "az": "azj_Latn",
    "be": "bel_Cyrl",
    "bg": "bul_Cyrl",
    "bn": "ben_Beng",
    "bs": "bos_Latn",
    "ca": "cat_Latn",
    "ceb": "ceb_Latn",
    "cs": "ces_Latn",
    "cy": "cym_Latn",
    "da": "dan_Latn",
    "de": "deu_Latn",
    "el": "ell_Grek",
    "en": "eng_Latn",
    "eo": "epo_Latn",
    "es": "spa_Latn",
    "et": "est_Latn",
    "eu": "eus_Latn",
    "fa": "pes_Arab",
    "fi": "fin_Latn",
    "fil": "tgl_Latn",
    "fo": "fao_Latn",
    "fr": "fra_Latn",
    "ga": "gle_Latn",
    "gd": "gla_Latn",
    "gl": "glg_Latn",
    "he": "heb_Hebr",
    "hi": "hin_Deva",
    "hr": "hrv_Latn",
    "hu": "hun_Latn",
    "hy": "hye_Armn",
    "id": "ind_Latn",
    "is": "isl_Latn",
    "it": "ita_Latn",
    "ja": "jpn_Jpan",
    "jv": "jav_Latn",
    "ka": "kat_Geor",
    "kab": "kab_Latn",
    "kk": "kaz_Cyrl",
    "km": "khm_Khmr",
    "ko": "kor_Hang",
    "ku": "kmr_Latn",
    "lt": "lit_Latn",
    "lv": "lvs_Latn",
    "mi": "mri_Latn",
    "mk": "mkd_Cyrl",
    "ml": "mal_Mlym",
    "mn": "khk_Cyrl",
    "mr": "mar_Deva",
    "ms": "zsm_Latn",
    "nl": "nld_Latn",
    "nn": "nno_Latn",
    "no": "nob_Latn",
    "oc": "oci_Latn",
    "pl": "pol_Latn",
    "pt": "por_Latn",
    "ro": "ron_Latn",
    "ru": "rus_Cyrl",
    "sk": "slk_Latn",
    "sl": "slv_Latn",
    "sq": "als_Latn",
    "sr": "srp_Cyrl",
    "sv": "swe_Latn",
    "sw": "swh_Latn",
    "ta": "tam_Taml",
    "te": "tel_Telu",
    "th": "tha_Thai",
    "tk": "tuk_Latn",
    "tl": "tgl_Latn",
    "tr": "tur_Latn",
    "tt": "tat_Cyrl",
    "ug": "uig_Arab",
    "uk": "ukr_Cyrl",
    "ur": "urd_Arab",
    "uz": "uzn_Latn",
    "vi": "vie_Latn",
    "war": "war_Latn",
    "xh": "xho_Latn",
    "yi": "ydd_Hebr",
    "yo": "yor_Latn",
    "yue": "yue_Hant",
    "zh": "zho_Hans",
}
_NOT_IN_M2M = {
    "ang", "arq", "arz", "awa", "ber", "cbk", "ch", "csb", "dsb", "dtp", "eo", "eu",
    "fo", "gsw", "hsb", "ia", "ie", "io", "kab", "ku", "kw", "kzj", "la", "lfn",
    "max", "mhr", "mi", "nds", "nn", "nov", "orv", "pam", "pms", "quz", "swg", "te",
    "tk", "tt", "tzl", "ug", "war", "wuu", "yue",
}  # fmt: skip
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
