"""The source `mfaq`, in its nested and its flat form."""

from data_prep.sources import mfaq
from tests.data_prep.source_rows import dropped, rows


def test_pages_and_flat_pairs_are_rows_in_the_language_of_their_page(tmp_path):
    made = rows("mfaq", tmp_path)
    assert [row[:3] for row in made] == [
        ({"cs": "Jak vrátím zboží?"}, {"cs": "Poštou do 14 dnů."}, []),
        ({"cs": "Kdy máte otevřeno?"}, {"cs": "Denně od osmi."}, []),
        ({"en": "Do you ship abroad?"}, {"en": "Yes, to all of Europe."}, []),
    ]
    assert len({row[3] for row in made}) == 3
    assert dropped("mfaq", tmp_path) == {mfaq.EMPTY: 1}
    assert [row[0] for row in rows("mfaq", tmp_path, "validation")] == [{"en": "Is there a lift?"}]
