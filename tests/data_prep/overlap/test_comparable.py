"""The letters of a text are the same however it is typed, and different where its words are."""

import doctest

import numpy as np
import pytest

from data_prep.overlap import comparable
from data_prep.overlap.comparable import fold, letters_of
from hbt_jax.languages import XM3600
from tests.data_prep.ways_of_typing import WAYS
from tests.models.huggingface.make_tokenizers import texts_of


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("code", XM3600)
def test_a_text_is_the_same_however_it_is_typed(code, way):
    texts = [f"{first} {second}" for first, second in zip(texts_of(code)[::7], texts_of(code)[3::7], strict=False)]
    for text in texts:
        assert fold(WAYS[way](text)) == fold(text) != ""


@pytest.mark.parametrize(("one", "other"), [
    ("İ", "I"), ("İ", "ı"), ("İ", "i"), ("I", "ı"), ("ı", "i"), ("i\u0307", "i"),
    ("STRASSE", "straße"), ("ẞ", "ss"), ("ΣΊΣΥΦΟΣ", "Σίσυφος"), ("ΑΝΘΡΩΠΟΣ", "Άνθρωπος"), ("ᾼ", "ΑΙ"),
    ("ÉCOLE", "ecole"),
    ("ﬁne", "FINE"), ("ǆ", "Dž"), ("ｶﾞｷﾞｸﾞ", "ガギグ"), ("か\u3099", "が"), ("か゛", "が"),
    ("ＡＢＣ１２", "abc12"), ("㍿", "株式会社"),
    ("한국어", "\u1112\u1161\u11ab국어"), ("ﷺ", "صلى الله عليه وسلم"), ("ﻻ", "لا"), ("مَرْحَبًا", "مرحبا"),
    ("مـــرحبا", "مرحبا"), ("أحمد", "احمد"),
    ("\u06a9تابی", "\u0643تاب\u064a"), ("عل\u0649", "عل\u06cc"), ("مسئله", "مس\u06cc\u0654له"),
    ("\u06c1م", "\u0647م"), ("خانۀ", "خانه\u0654"),
    ("\u05f0\u05f1\u05f2", "\u05d5\u05d5\u05d5\u05d9\u05d9\u05d9"), ("\ufb1f", "\u05d9\u05d9"),
    ("ٱلله", "الله"), ("፩፪", "12"), ("❶", "1"),
    ("അവൻ", "അവന\u0d4d\u200d"), ("അവർ", "അവര\u0d4d\u200d"), ("উৎসব", "উত\u09cd\u200dসব"),
    ("ᏣᎳᎩ", "ꮳꮃꭹ"), ("ᏸ", "Ᏸ"), ("ქართული", "ᲥᲐᲠᲗᲣᲚᲘ"), ("𐐔𐐯", "𐐼𐐯"), ("𞤀𞤁", "𞤢𞤣"), ("𝟙𝟚", "12"),
    ("葛\U000e0100城", "葛城"), ("\ufa1e", "羽"), ("1\ufe0f\u20e3", "1"), ("hello 😀", "hello"),
    ("שָׁלוֹם", "שלום"), ("می\u200cخواهم", "میخواهم"), ("क\u094d\u200dष", "क्ष"), ("ड़", "ड\u093c"),
    ("ก\u0e48\u0e38", "ก\u0e38\u0e48"),
    ("น้ำ", "น้\u0e4d\u0e32"), ("ຳ", "\u0ecd\u0eb2"), ("٣٤", "34"), ("۳۴", "34"), ("३४", "34"), ("x²", "x2"),
    ("з’їзд", "зʼїзд"), ("з'їзд", "зʼїзд"),
    ("a\u0323\u0302", "â\u0323"), ("ა", "Ა"), ("և", "ԵՒ"), ("ĳ", "IJ"), ("𝔘𝕟𝕚", "uni"), ("Ⓐ", "a"),
    ("？！", "?!"), ("🤔\ufe0f", " 🤔"),
])  # fmt: skip
def test_texts_that_are_equal_after_folding(one, other):
    assert fold(one) == fold(other) != ""


@pytest.mark.parametrize(("one", "other"), [
    ("कि", "की"), ("क", "क्"), ("कं", "क"), ("ดี", "ดิ"), ("ไก่", "ไก้"), ("ກິ", "ກີ"), ("កិ", "កី"), ("ကိ", "ကီ"),
    ("แก", "เก"), ("น้ำ", "น้า"), ("นำ", "นา"), ("ນ້ຳ", "ນ້າ"),
    ("か", "が"), ("は", "ぱ"), ("カ", "か"),
    ("コー", "コ"), ("人々", "人"), ("日", "目"), ("a1", "a2"), ("ł", "l"), ("ø", "o"), ("đ", "d"),
    ("ދި", "ދު"), ("ک", "گ"), ("ی", "ب"), ("ه", "ح"), ("한", "하"), ("?", "!"), ("👍", "👎"),
    ("አማ", "አም"), ("፲", "10"), ("ന്", "ന"), ("ൻ", "ർ"), ("𐐔", "𐐕"), ("国", "國"), ("שלומ", "שלום"), ("ة", "ه"),
    ("日本", "日日本"), ("ง่ายๆ", "ง่าย"),
])  # fmt: skip
def test_texts_that_differ_after_folding(one, other):
    assert fold(one) != fold(other)


THAI_TONES, LAO_TONES = "\u0e48\u0e49\u0e4a\u0e4b", "\u0ec8\u0ec9\u0eca\u0ecb"


@pytest.mark.parametrize(("consonant", "tone", "am", "nikhahit", "aa"), [
    *(("น", tone, "\u0e33", "\u0e4d", "\u0e32") for tone in THAI_TONES),
    *(("ນ", tone, "\u0eb3", "\u0ecd", "\u0eb2") for tone in LAO_TONES),
])  # fmt: skip
def test_sara_am_and_its_tone_are_the_same_in_any_order_and_from_any_parts(consonant, tone, am, nikhahit, aa):
    ways = [tone + am, am + tone, tone + nikhahit + aa, nikhahit + tone + aa, nikhahit + aa + tone]
    folded = {fold(f"{consonant}{way}{consonant}") for way in ways}
    assert folded == {consonant + tone + nikhahit + aa + consonant}
    others = [am, *(other + am for other in THAI_TONES + LAO_TONES if other != tone), tone + aa, tone + nikhahit, tone]
    assert folded.isdisjoint(fold(f"{consonant}{other}{consonant}") for other in others)
    assert fold(f"{consonant}{consonant}{tone}{am}") not in folded  # the tone of another consonant


@pytest.mark.parametrize(("right", "otherwise"), [
    ("ที่", "ท\u0e48\u0e35"), ("พันธุ์", "พันธ\u0e4c\u0e38"), ("สิทธิ์", "สิทธ\u0e4c\u0e34"), ("ข้าว", "ขา\u0e49ว"),
    ("เล็่น", "เล\u0e48\u0e47น"), ("แม่", "เเม่"), ("สฺมิํ", "สฺม\u0e4d\u0e34"),
    ("ທີ່", "ທ\u0ec8\u0eb5"), ("ຂໍ້", "ຂ\u0ec9\u0ecd"), ("ເຈົ້າ", "ເຈ\u0ec9\u0ebbາ"), ("ຫຼ້າ", "ຫ\u0ec9\u0ebcາ"), ("ແມ່", "ເເມ່"),
])  # fmt: skip
def test_signs_of_thai_and_lao_syllables_are_the_same_in_any_order(right, otherwise):
    assert right != otherwise and fold(right) == fold(otherwise) == fold(fold(right))


@pytest.mark.parametrize("text", [
    "\u0e4d\u0f71\u0e4d\u0e48", "\u0f71\u0e4d\u0e48\u0e38", "ก\u0e32\u0f72\u0e4d\u3099\u0ec8\u0e48",
])  # fmt: skip
def test_marks_of_several_scripts_are_in_order_after_one_pass(text):
    assert fold(fold(text)) == fold(text)
    order = comparable.needs_order(comparable.codes_of(fold(text)))
    assert all(one <= other or not other for one, other in zip(order[:-1], order[1:], strict=True))


@pytest.mark.parametrize("text", ["", " ", "\u200b\u00a0", "\ufeff\ufe0f", "\x00\x1f"])
def test_a_text_without_a_visible_sign_has_no_letters(text):
    assert fold(text) == ""


def test_folding_again_changes_nothing_but_how_often_dense_letters_stand():
    codes = [*range(0x3400), *range(0xA000, 0xAC00), *range(0xF900, 0x10000), *range(0, 0x110000, 31)]
    signs = [chr(code) for code in codes if not 0xD800 <= code <= 0xDFFF]
    once = [fold(sign) for sign in signs]
    for sign, folded in zip(signs, once, strict=True):
        assert set(fold(folded)) == set(folded), sign


def test_parts_of_a_text_have_its_letters_but_for_the_order_of_marks():
    for code in XM3600:
        text = " ".join(texts_of(code)[:20])
        assert "".join(map(comparable.fold_letters, text)) == fold(text)


def test_a_translation_has_about_as_many_letters_in_any_script():
    text = {
        "en": "All human beings are born free and equal in dignity and rights.",
        "zh": "人人生而自由,在尊严和权利上一律平等。",
        "ja": "すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。",
        "ko": "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다.",
        "th": "มนุษย์ทั้งหลายเกิดมามีอิสระและเสมอภาคกันในเกียรติศักดิ์และสิทธิ",
        "hi": "सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता और समानता प्राप्त है।",
        "am": "የሰው ልጅ ሁሉ ሲወለድ ነጻና በክብርና በመብትም እኩልነት ያለው ነው።",
    }
    lengths = letters_of(list(text.values())).lengths
    assert (lengths > lengths[0] / 2).all() and (lengths < 2 * lengths[0]).all()


def test_what_could_not_be_read_is_kept_as_a_place():
    letters = letters_of(["a\ufffdb", "", "\ufffd", "c\ufffd\ufffd", "de", "\ufffd?"])
    plain = letters_of(["ab", "", "", "c", "de", ""])
    np.testing.assert_array_equal(letters.values, plain.values)
    np.testing.assert_array_equal(letters.offsets, plain.offsets)
    assert letters.holes.tolist() == [1, 2, 3, 3, 5] and letters.hole_rows.tolist() == [0, 2, 3, 3, 5]


def test_examples_in_docstrings():
    assert doctest.testmod(comparable).failed == 0
