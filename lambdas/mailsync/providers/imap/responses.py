"""Parse FETCH and SEARCH responses (RFC 9051, section 7), also malformed ones. Pure functions."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from mailsync.providers.imap.uids import MAX_UID, parse_uid_ranges

ImaplibUntaggedResponse = Sequence[bytes | tuple[bytes, bytes]]
"""One untagged response in the form of imaplib: for each literal a pair of the text before the
literal and the literal, and at the end the rest of the text."""
FetchResponseItems = Mapping[bytes, Any]
"""The items of a FETCH response, by item name in capitals."""
MAX_UIDS_PER_SEARCH_RESULT = 2_000_000
"""The maximum number of UIDs that the responses to one search may contain."""
MAX_NESTED_LIST_DEPTH = 100
"""The maximum depth of lists within lists in a response."""
_WORDS_ONLY = (b"X-GM-LABELS",)
"""Items that are names which people chose: a label may be called `007` or `NIL`."""
_NUMBER = re.compile(rb"\s*(\d{1,10}) ?\s*\(")
_NAME = re.compile(rb'\s*([^\s()\[\]"{]++(?:\[[^\]]*+\](?:<\d{1,20}>)?)?)\s*', re.DOTALL)
_FLAGS = re.compile(rb"\((.*?)\)(?=\s*\)|\s+[A-Za-z]|\s*\Z)", re.DOTALL)
_QUOTED = re.compile(rb'"((?:[^"\\]++|\\.)*+)"', re.DOTALL)
_LITERAL = re.compile(rb"~?\{\d{1,20}\+?\}")
_ATOM = re.compile(rb'[^\s()"]++')
_BLANK = re.compile(rb"\s*+")
_DATE = re.compile(
    r"\s*(\d{1,2})-([A-Za-z]{3})-(\d{4}) (\d\d):(\d\d):(\d\d)(?: ([+-])(\d\d)(\d\d))?", re.ASCII
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WORD = re.compile(rb"(?<!\S)\d{1,10}(?!\S)")
_ESEARCH_ALL = re.compile(rb"\bALL +([\d:,]+)", re.IGNORECASE)


def parse_fetch(records: ImaplibUntaggedResponse) -> dict[bytes, Any]:
    """Return the items of a FETCH response, by item name in capitals.

    A string becomes bytes, a number an int, a list a tuple, and NIL becomes None. INTERNALDATE
    becomes a datetime in UTC, or None if it is impossible. FLAGS becomes a tuple of bytes.

    Raises:
        ValueError: the response is malformed.
    """
    return _FetchParser(records).items()


def split_responses(
    records: Iterable[bytes | tuple[bytes, bytes] | None],
) -> Iterator[ImaplibUntaggedResponse]:
    """Split the untagged responses of one name, which imaplib keeps in a single list, into one list
    per response."""
    response: list[bytes | tuple[bytes, bytes]] = []
    for each in records:
        if each is not None:
            response.append(each)
        if isinstance(each, bytes):
            yield response
            response = []


def parse_search(lines: Iterable[bytes], extended: Iterable[bytes]) -> list[int]:
    """Return the UIDs in all SEARCH and ESEARCH responses to a command, in ascending order, each
    once.

    lines: texts of the SEARCH responses.
    extended: texts of the ESEARCH responses.

    Raises:
        ValueError: the server lists more than MAX_UIDS_PER_SEARCH_RESULT.
    """
    found: set[int] = set()
    for line in lines:
        for word in _WORD.finditer(line.partition(b"(")[0]):
            found.add(int(word[0]))
            if len(found) > MAX_UIDS_PER_SEARCH_RESULT:
                raise ValueError("The server lists too many messages.")
    for line in extended:
        for each in parse_uid_ranges(match[1]) if (match := _ESEARCH_ALL.search(line)) else ():
            if len(each) + len(found) > MAX_UIDS_PER_SEARCH_RESULT:
                raise ValueError("The server lists too many messages.")
            found.update(each)
    return sorted(uid for uid in found if 0 < uid <= MAX_UID)


def parse_internal_date(text: object) -> datetime | None:
    """Return an INTERNALDATE in UTC. Return None if the text is malformed or the date is
    impossible."""
    match = _DATE.fullmatch(text.decode("latin-1")) if isinstance(text, bytes) else None
    if match is None:
        return None
    day, month, year, hour, minute, second, sign, hours, minutes = match.groups()
    try:
        offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
        zone = timezone(-offset if sign == "-" else offset)
        number = _MONTHS.index(month.lower()) + 1
        moment = datetime(
            int(year), number, int(day), int(hour), int(minute), int(second), tzinfo=zone
        )
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


class _FetchParser:
    def __init__(self, records: ImaplibUntaggedResponse) -> None:
        texts = [each[0] if isinstance(each, tuple) else each for each in records]
        self._text = b"".join(texts)
        self._literals = iter([each[1] for each in records if isinstance(each, tuple)])
        self._at = 0

    def items(self) -> dict[bytes, Any]:
        start = _NUMBER.match(self._text)
        if start is None:
            raise ValueError("no number of a message")
        self._at = start.end()
        found: dict[bytes, Any] = {}
        while not self._text.startswith(b")", self._at):
            match = _NAME.match(self._text, self._at)
            if match is None or match.end() == len(self._text):
                raise ValueError("no name of an item")
            self._at = match.end()
            name = match[1].replace(b'"', b"").upper()
            if name == b"FLAGS":
                found[name] = self._flags()
            else:
                found[name] = self._value(has_numbers=name not in _WORDS_ONLY)
            self._at = _BLANK.match(self._text, self._at).end()  # type: ignore[union-attr]
        if b"INTERNALDATE" in found:
            found[b"INTERNALDATE"] = parse_internal_date(found[b"INTERNALDATE"])
        return found

    def _flags(self) -> tuple[bytes, ...]:
        """Parse the flags. Only blanks and the outer parenthesis end a flag, because servers send
        flags with brackets, slashes, quotes and bytes above 127."""
        match = _FLAGS.match(self._text, self._at)
        if match is None:
            raise ValueError("flags without an end")
        self._at = match.end()
        return tuple(
            self._literal() if _LITERAL.fullmatch(each) else each for each in match[1].split()
        )

    def _value(self, *, has_numbers: bool = True) -> Any:
        """Return a value. A stack holds the lists around it.

        has_numbers: False: digits and NIL are words like others.
        """
        stack: list[list[Any]] = []
        while True:
            self._at = _BLANK.match(self._text, self._at).end()  # type: ignore[union-attr]
            sign = self._text[self._at : self._at + 1]
            if sign == b"(":
                if len(stack) == MAX_NESTED_LIST_DEPTH:
                    raise ValueError("lists in lists in lists")
                stack.append([])
                self._at += 1
                continue
            if sign == b")" and stack:
                self._at += 1
                value: Any = tuple(stack.pop())
            else:
                value = self._word(has_numbers=has_numbers)
            if not stack:
                return value
            stack[-1].append(value)

    def _word(self, *, has_numbers: bool) -> bytes | int | None:
        if match := _QUOTED.match(self._text, self._at):
            self._at = match.end()
            return re.sub(rb"\\(.)", rb"\1", match[1]) if b"\\" in match[1] else match[1]
        if match := _LITERAL.match(self._text, self._at):
            self._at = match.end()
            return self._literal()
        match = _ATOM.match(self._text, self._at)
        if match is None:
            raise ValueError("no value of an item")
        self._at = match.end()
        word = match[0]
        if not has_numbers:
            return word
        if word.upper() == b"NIL":
            return None
        return int(word) if word.isdigit() and len(word) <= 20 else word

    def _literal(self) -> bytes:
        literal = next(self._literals, None)
        if literal is None:
            raise ValueError("no literal")
        return literal


def merge_fetch_items(
    responses: Iterable[tuple[int, FetchResponseItems]],
) -> dict[int, FetchResponseItems]:
    """Return the items of each message by UID. The server may send the items of one message in
    several responses. A message without flags is left out."""
    found: dict[int, FetchResponseItems] = {}
    for uid, items in responses:
        found[uid] = {**found.get(uid, {}), **items}
    return {uid: items for uid, items in found.items() if b"FLAGS" in items}
