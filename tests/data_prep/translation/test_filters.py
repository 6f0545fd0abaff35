"""Failed translations are told from good ones; translations by people pass."""

import os
from pathlib import Path

import pytest

from data_prep.translation.filters import COPIED, EMPTY, LENGTH, REPETITION, SCRIPT, UNFINISHED, Limits, failures
from hbt_jax.errors import InputError

ASKED = "What is the capital of Peru?"


@pytest.mark.parametrize(("target", "translation", "failed"), [
    ("de", "Was ist die Hauptstadt von Peru?", None),
    ("de", None, UNFINISHED),
    ("de", "", EMPTY),
    ("de", " \n", EMPTY),
    ("de", "what is the capital of Peru", COPIED),
    ("ru", "Какой город является столицей Перу?", None),
    ("ru", "Was ist die Hauptstadt von Peru?", SCRIPT),
    ("ru", "столица: Peru", None),
    ("ru", "???", SCRIPT),
    ("zh", "秘鲁的首都是哪里？", None),
    ("zh", "秘", LENGTH),
    ("ja", "ペルーの首都はどこですか？", None),
    ("ko", "페루의 수도는 어디입니까?", None),
    ("de", "Peru", LENGTH),
    ("de", "Was ist die Hauptstadt " * 3 + "von Peru, dem Land in den Anden, und wo liegt sie?", LENGTH),
    ("de", "Was ist ist ist ist die Stadt?", REPETITION),
    ("de", "Was ist ist die Hauptstadt?", None),
    ("zh", "首都首都首都首都是哪里？", REPETITION),
    ("de", "Was ist die Hauptstadt ... ... ... ... ?", None),
])  # fmt: skip
def test_a_failure_is_counted_at_the_first_filter(target, translation, failed):
    assert failures([ASKED], [translation], "en", target, Limits()) == [failed]


def test_a_copy_with_its_case_changed_by_the_rule_of_turkish_is_a_copy():
    turkish = "Iğdır ilinin en kalabalık ilçesi hangisidir"
    for copy in (turkish, turkish.upper(), "IĞDIR İLİNİN EN KALABALIK İLÇESİ HANGİSİDİR", "ığdır" + turkish[5:]):
        assert failures([turkish], [copy], "tr", "az", Limits()) == [COPIED]
    assert failures([turkish], ["Iğdır vilayətinin ən sıx rayonu hansıdır"], "tr", "az", Limits()) == [None]


def test_names_and_numbers_may_stay_as_they_are():
    sources = ["Lima", "1990", "John von Neumann", "1, 2, 3, 4"]
    assert failures(sources, sources, "en", "de", Limits()) == [None, None, None, COPIED]
    assert failures(["1990"], ["1990"], "en", "hi", Limits()) == [None]


def test_what_the_source_repeats_the_translation_may():
    assert failures(["ha ha ha ha ha, he said"], ["ha ha ha ha ha, sagte er"], "en", "de", Limits()) == [None]


def test_callers_can_set_the_limits():
    short, mixed, again = "Hauptstadt?", "столица of Peru and so on", "Was ist ist die Hauptstadt?"
    assert failures([ASKED], [short], "en", "de", Limits(least_length=0.9)) == [LENGTH]
    assert failures([ASKED], [short], "en", "de", Limits(least_length=0)) == [None]
    assert failures([ASKED], [short * 2], "en", "de", Limits(most_length=0.6)) == [LENGTH]
    assert failures([ASKED], [mixed], "en", "ru", Limits(script_share=0.8)) == [SCRIPT]
    assert failures([ASKED], [again], "en", "de", Limits(repeats=1)) == [REPETITION]
    with pytest.raises(
        InputError, match="--least_length=3 --most_length=2.5: expected the first to be below the second"
    ):
        Limits(least_length=3)


NTREX = Path(os.environ.get("HBT_JAX_DATA", "absent")) / "ntrex-parallel"


@pytest.mark.skipif(not NTREX.is_dir(), reason="HBT_JAX_DATA names no folder with ntrex-parallel")
def test_translations_by_people_pass():
    english = (NTREX / "en.txt").read_text(encoding="utf-8").splitlines()
    codes = [path.stem for path in NTREX.glob("*.txt") if path.stem != "en"]
    assert len(codes) > 30
    for code in codes:
        lines = (NTREX / f"{code}.txt").read_text(encoding="utf-8").splitlines()
        found = failures(english, lines, "en", code, Limits())
        assert found.count(None) >= 0.995 * len(lines), code
