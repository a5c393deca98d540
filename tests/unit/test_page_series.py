"""Lists that never end are recognised, and long or restless lists are not taken for them."""

from itertools import cycle, islice

import pytest

from mailsync.decisions.page_series import (
    MAX_EMPTY_PAGES,
    MAX_REPEATED_PAGES,
    EndlessPagingDetector,
)


def is_endless(*pages: str) -> bool:
    """Return whether pages form a list without an end; each letter of a page is an item's id."""
    series = EndlessPagingDetector()
    for page in pages:
        series.add_page(page)
    return series.is_endless


@pytest.mark.parametrize(
    "repeated", [["ab"], ["abc", "b", "b"], ["a", "b", "c"], list("abcdefghi")]
)
@pytest.mark.parametrize("start", [[], ["uv", "wx", "yz"]])
def test_pages_that_come_again_and_again_have_no_end(start: list[str], repeated: list[str]) -> None:
    enough = islice(cycle(repeated), (MAX_REPEATED_PAGES + 64) * len(repeated))

    assert is_endless(*start, *enough)
    assert not is_endless(*start, *islice(cycle(repeated), MAX_REPEATED_PAGES))


def test_empty_pages_have_no_end_unless_an_item_follows() -> None:
    empty = [""] * MAX_EMPTY_PAGES

    assert is_endless(*empty, "")
    assert not is_endless(*empty, "a", *empty)


def test_a_long_list_of_which_each_page_is_sent_twice_ends() -> None:
    pages = [chr(0x4E00 + number) for number in range(10_000) for _ in range(2)]

    assert not is_endless(*pages)


def test_a_list_that_shifts_by_an_item_with_every_page_ends() -> None:
    items = "".join(chr(0x4E00 + number) for number in range(10_000))

    assert not is_endless(*(items[start : start + 10] for start in range(0, 10_000, 9)))
