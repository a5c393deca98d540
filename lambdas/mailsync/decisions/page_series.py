"""Recognise a list whose pages never end.

A provider can send the items of one page again and again, each time with another link to a next
page (msgraph-sdk-dotnet #3082, microsoft-graph-docs #4263). So this module compares the items of
the pages, not the links.
"""

from collections.abc import Collection

MAX_EMPTY_PAGES = 100
"""The maximum number of successive empty pages of one list. Some empty pages are normal
(microsoft-graph-docs-contrib #1316)."""
MAX_REPEATED_PAGES = 100
"""The maximum number of pages of one list that name only items of one earlier page. A page that
was sent twice is normal, and a list that shifts while it is read repeats items."""


class EndlessPagingDetector:
    """The pages of one list, or of one round of a change feed, in the order in which they are read.

    The object remembers the item ids of only one earlier page, however long the list is: page 1,
    then page 2, 4, 8 and so on. So it finds a cycle of any number of pages (Brent's algorithm).
    """

    def __init__(self) -> None:
        self._page_count = 0
        self._empty_page_count = 0
        self._repeated_page_count = 0
        self._remembered_ids: frozenset[str] = frozenset()

    def add_page(self, ids: Collection[str]) -> None:
        """Add the next page.

        ids: the ids of the items on the page.
        """
        self._page_count += 1
        self._empty_page_count = 0 if ids else self._empty_page_count + 1
        if ids and self._remembered_ids.issuperset(ids):
            self._repeated_page_count += 1
        if self._page_count.bit_count() == 1:
            self._remembered_ids = frozenset(ids)

    @property
    def is_endless(self) -> bool:
        """Return whether the list probably never ends: more than MAX_REPEATED_PAGES pages repeated
        earlier items, or more than MAX_EMPTY_PAGES pages in succession were empty."""
        return (
            self._empty_page_count > MAX_EMPTY_PAGES
            or self._repeated_page_count > MAX_REPEATED_PAGES
        )
