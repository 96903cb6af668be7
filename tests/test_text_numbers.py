"""Texts and their numbers."""

from collections.abc import Iterable

import polars as pl
from _text_numbers import TextNumbers
from hypothesis import example, given, settings
from hypothesis import strategies as st

LENGTHS = (0, 1, 7, 8, 9, 12, 13, 16, 17, 40)
"""Around what fits in a word, and in a view of Arrow."""
SIMILAR = [
    text[:length]
    for length in LENGTHS
    for text in ("x" * 40, "y" + "x" * 39, "x" * max(length - 1, 0) + "y", "\0" * 40)
]


def numbered(parts: Iterable[list[str]]) -> list[int]:
    """What a dictionary would say."""
    known: dict[str, int] = {}
    return [known.setdefault(text, len(known)) for part in parts for text in part]


@settings(max_examples=200, deadline=None)
@example([SIMILAR, SIMILAR[::-1]])
@example([[]])
@given(st.lists(st.lists(st.sampled_from(SIMILAR) | st.text(max_size=20))))
def test_numbers_are_given_in_the_order_of_texts(parts: list[list[str]]):
    numbers = TextNumbers()
    series = [pl.Series(part, dtype=pl.String) for part in parts]
    found = [number for part in series for number in numbers.of(part).tolist()]
    assert found == numbered(parts)
    known = dict(zip(found, [text for part in parts for text in part], strict=True))
    assert numbers.texts().to_list() == [known[number] for number in range(len(numbers))]


def test_texts_of_which_parts_are_looked_at():
    """Of several chunks, cut anywhere, with views of texts that stand elsewhere or come again."""
    texts = [
        f"blobs/{number % 700:036}" if number % 3 else f"{number % 50}" for number in range(9000)
    ]
    series = pl.concat([pl.Series(texts[:5000]), pl.Series(texts[5000:])], rechunk=False)
    again = series.gather(range(8999, -1, -1))
    numbers = TextNumbers()
    found = [*numbers.of(series[17:8000]), *numbers.of(again), *numbers.of(series)]
    assert found == numbered([texts[17:8000], texts[::-1], texts])


def test_many_texts_outgrow_every_room():
    texts = [str(number) * 5 for number in range(100_000)]
    numbers = TextNumbers()
    for begin in range(0, len(texts), 30_000):
        assert numbers.of(pl.Series(texts[begin : begin + 30_000]))[0] == begin
    assert numbers.texts().to_list() == texts
    assert numbers.of(pl.Series(texts)).tolist() == list(range(len(texts)))
