"""How translation models name our languages.

NLLB-200 names a language and its script as FLORES-200 does (arXiv 2207.04672, table 1), M2M-100 uses a code between
underscores (arXiv 2010.11125, table 1).  A language that a model was not trained on is missing here, never replaced by
a related one: NLLB-200's quy_Latn is Ayacucho Quechua, another variety than our quz.  If our code covers several
languages and NLLB-200 has the standard one (azj of az, kmr of ku, khk of mn, als of sq, uzn of uz, ydd of yi), it is
used.
"""

from collections.abc import Collection

from hbt_jax.errors import InputError
from hbt_jax.languages import BELEBELE, LISTED, language

_NOT_IN_NLLB = {"arb_Latn", "ben_Latn", "hin_Latn", "npi_Latn", "sin_Latn", "urd_Latn"}
_NLLB = {code: token for token, code in BELEBELE.items() if token not in _NOT_IN_NLLB} | {
    "ast": "ast_Latn", "awa": "awa_Deva", "be": "bel_Cyrl", "bs": "bos_Latn", "cy": "cym_Latn", "eo": "epo_Latn",
    "fil": "tgl_Latn", "fo": "fao_Latn", "ga": "gle_Latn", "gd": "gla_Latn", "gl": "glg_Latn", "kab": "kab_Latn",
    "ku": "kmr_Latn", "nn": "nno_Latn", "oc": "oci_Latn", "tk": "tuk_Latn", "tt": "tat_Cyrl", "ug": "uig_Arab",
    "yi": "ydd_Hebr", "yue": "yue_Hant",
}  # fmt: skip
_NOT_IN_M2M = {
    "acm", "ang", "apc", "ar-Latn", "arq", "ars", "ary", "arz", "as", "awa", "ber", "bm", "bn-Latn", "bo", "cbk",
    "ch", "ckb", "csb", "dsb", "dtp", "eo", "eu", "fo", "fuv", "gn", "gsw", "hi-Latn", "hsb", "ia", "ie", "io", "kab",
    "kac", "kea", "ku", "kw", "ky", "kzj", "la", "lfn", "luo", "max", "mhr", "mi", "mt", "nds", "ne-Latn", "nn",
    "nov", "nso", "ny", "om", "orv", "pam", "pms", "quz", "rw", "shn", "si-Latn", "sn", "st", "swg", "te", "tg", "ti",
    "tk", "ts", "tt", "tzl", "ug", "ur-Latn", "war", "wuu", "yue", "zh-Hant",
}  # fmt: skip
_OTHERWISE_IN_M2M = {"fil": "tl"}
_M2M = {code: f"__{_OTHERWISE_IN_M2M.get(code, code)}__" for code in sorted(LISTED) if code not in _NOT_IN_M2M}

FAMILIES = {"NLLB-200": _NLLB, "M2M-100": _M2M}  # family -> our code -> the model's token


def family_of(vocabulary: Collection[str], model: object) -> str:
    """The family in FAMILIES of the model with this vocabulary.

    Args:
      model: folder of the model, for the message.

    Raises:
      InputError: the vocabulary has no language token of any family.
    """
    for family, tokens in FAMILIES.items():
        if any(token in vocabulary for token in tokens.values()):
            return family
    examples = " or ".join(f"{tokens['de']} ({family})" for family, tokens in FAMILIES.items())
    raise InputError(
        f"--model={model}: its vocabulary has no language token such as {examples}: expected a model of"
        f" {' or '.join(FAMILIES)}; if it is one, convert it again with transformers before release 5"
    )


def language_token(family: str, code: str, vocabulary: Collection[str]) -> str:
    """The token that stands for a language in a model.

    Raises:
      InputError: the code is unknown, or the model was not trained on the language.
    """
    name = language(code).name
    token = FAMILIES[family].get(code)
    if token is None or token not in vocabulary:
        known = " ".join(sorted(other for other, token in FAMILIES[family].items() if token in vocabulary))
        raise InputError(
            f"this model ({family}) does not translate {code!r} ({name}): it has {known}; leave out {code!r}"
        )
    return token
