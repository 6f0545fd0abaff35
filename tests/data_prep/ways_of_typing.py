"""Ways in which one text reaches a data set: its letters are the same in all."""

import unicodedata

TURKIC = str.maketrans("iı", "İI")


def full_width(text):
    return "".join(chr(ord(sign) + 0xFEE0) if "!" <= sign <= "~" else sign for sign in text)


def presentation(text):
    """Arabic letters in forms that only old files have: each by itself."""
    forms = {}
    for code in range(0xFE80, 0xFEF5):
        kind, *letters = unicodedata.decomposition(chr(code)).split()
        if kind == "<isolated>" and len(letters) == 1:
            forms[int(letters[0], 16)] = chr(code)
    return text.translate(forms)


WAYS = {
    "upper": str.upper,
    "lower": str.lower,
    "title": str.title,
    "Turkic upper": lambda text: text.translate(TURKIC).upper(),
    "Turkic lower": lambda text: text.replace("I", "ı").replace("İ", "i").lower(),
    "NFC": lambda text: unicodedata.normalize("NFC", text),
    "NFD": lambda text: unicodedata.normalize("NFD", text),
    "NFKC": lambda text: unicodedata.normalize("NFKC", text),
    "NFKD": lambda text: unicodedata.normalize("NFKD", text),
    "spaces between signs": " ".join,
    "U+200B between signs": "\u200b".join,
    "no spaces": lambda text: "".join(text.split()),
    "punctuation": lambda text: f"« {text.replace(' ', ' — ')}, … » ?!",
    "soft hyphens and joiners": "\u00ad\u200d\u2060".join,
    "full width": full_width,
    "presentation forms": presentation,
    "variation selectors": "\ufe0f".join,
    "symbols": lambda text: f"☞ {text} 👍🏽 ®",
}
