"""Record the forms, page sizes and latencies of a provider's responses, without their values.

A record contains only words of this module, names and words that the provider's
RecordableNamesAndWords allow, and numbers as classes such as `51–100`. So a record cannot contain
mail, addresses, ids or tokens.
"""

import math
import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from threading import Lock
from typing import Any

JsonObject = dict[str, Any]
LISTED, UNLISTED = "a listed word", "a word outside the list"
_CLASS_BOUNDS = [digit * 10.0**power for power in range(-4, 10) for digit in (1, 2, 5)]
_MAX_DEPTH = 12
_FORM_BY_TYPE: dict[type, str] = {
    **{type(None): "null", bool: "boolean", int: "number", float: "number"},
    **{list: "list", dict: "object"},
}
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?P<fraction>\.\d+)?(?P<zone>Z|[+-]\d\d:\d\d)?")
_HEADER_NAME = re.compile(r"[a-z]+(?:-[a-z]+){0,5}")
_HEADERS_OF_THE_CONNECTION = frozenset(
    ("connection", "content-length", "date", "keep-alive", "server", "transfer-encoding")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordableNamesAndWords:
    """The names and words of a provider that may enter a record.

    field_name_pattern: pattern of the JSON field names that are recorded. The record has `{name}`
        in place of any other name.
    fields_with_user_defined_keys: names of the fields whose value is an object with keys that users
        or their programs choose. The record has `{name}` in place of these keys.
    allowed_words_by_field: the allowed words of enumerations, by field name or lower-case header
        name. The record names the words of errors and headers. The words of other responses depend
        on the mail, so the record says only whether they are allowed words.
    names_of_fields_with_recorded_size: names of the fields and headers whose size is recorded as a
        class: the length of a text, or the value of a number.
    """

    field_name_pattern: re.Pattern[str]
    fields_with_user_defined_keys: frozenset[str]
    allowed_words_by_field: Mapping[str, frozenset[str]]
    names_of_fields_with_recorded_size: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeToRecord:
    """One response of the provider.

    request_kind: what was requested, in fixed words without ids.
    http_status: HTTP status. 0: the connection failed. A status that is not from 100 to 599 is
        recorded as 0. For IMAP, 200 is OK, 400 is NO and 500 is BAD.
    parsed_response_body: the parsed body. None: the body is not JSON.
    duration_s: time from the request to the last byte. None: the time was not measured, as for an
        item of a batch.
    requested_page_size: page size that the request asked for. None: the request named no page size.
    item_count_of_non_last_page: number of items on the page, if another page follows. None:
        no page follows, so the number of items depends on the mailbox.
    """

    request_kind: str
    http_status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    parsed_response_body: Any = None
    duration_s: float | None = None
    requested_page_size: int | None = None
    item_count_of_non_last_page: int | None = None


def describe_number_as_range(number: float) -> str:
    """Return the class of a number as text, such as `51–100` for a whole number or `0.05–0.1` for a
    fraction. Classes end at 1, 2, 5, 10, 20, 50 and so on."""
    if number <= 0:
        return "0" if number == 0 else "below 0"
    if number > _CLASS_BOUNDS[-1]:  # also whole numbers that no float holds
        return f"over {_CLASS_BOUNDS[-1]:.0f}"
    index = bisect_left(_CLASS_BOUNDS, number * (1 - 1e-9))
    low, high = _CLASS_BOUNDS[max(0, index - 1)], _CLASS_BOUNDS[index]
    if isinstance(number, int):
        first = 1 if high <= 1 else math.floor(low) + 1
        return f"{first}–{high:.0f}" if first < high else f"{high:.0f}"
    return f"{low:g}–{high:g}"


@dataclass(slots=True)
class _Field:
    """What was seen of one field or header: its number of occurrences, its forms, and the classes
    of its sizes."""

    count: int = 0
    forms: set[str] = field(default_factory=set)
    sizes: set[str] = field(default_factory=set)

    def to_json(self, objects: int) -> JsonObject:
        presence = "always" if self.count >= objects else "sometimes"
        return {"presence": presence, "forms": sorted(self.forms), "sizes": sorted(self.sizes)}


@dataclass(slots=True)
class _Responses:
    """The counts and forms of all responses with one status to one kind of request."""

    status: int
    count: int = 0
    seconds: list[float] = field(default_factory=list)
    pages: set[str] = field(default_factory=set)
    headers: dict[str, _Field] = field(default_factory=lambda: defaultdict(_Field))
    objects: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    fields: dict[tuple[str, str], _Field] = field(default_factory=lambda: defaultdict(_Field))

    def to_json(self) -> JsonObject:
        return {
            "responses": describe_number_as_range(self.count),
            "seconds": _percentiles(self.seconds),
            "pages": sorted(self.pages),
            "headers": {name: each.to_json(self.count) for name, each in self.headers.items()},
            "fields": {
                f"{parent}/{name}".lstrip("/"): each.to_json(self.objects[parent])
                for (parent, name), each in sorted(self.fields.items())
            },
        }


class Recorder:
    """Collects exchanges with one provider and makes a record of them. Thread-safe."""

    def __init__(self, vocabulary: RecordableNamesAndWords) -> None:
        self._vocabulary = vocabulary
        self._lock = Lock()
        self._seen: dict[tuple[str, int], _Responses] = {}

    def add_exchange(self, exchange: ExchangeToRecord) -> None:
        with self._lock:
            status = exchange.http_status if 100 <= exchange.http_status <= 599 else 0
            seen = self._seen.setdefault((exchange.request_kind, status), _Responses(status))
            seen.count += 1
            if exchange.duration_s is not None:
                seen.seconds.append(exchange.duration_s)
            if (item_count := exchange.item_count_of_non_last_page) is not None:
                asked = exchange.requested_page_size
                wanted = describe_number_as_range(asked) if asked else "no size"
                seen.pages.add(f"{describe_number_as_range(item_count)} of {wanted}")
            for name, value in exchange.headers.items():
                self._add_header(seen, name.lower(), value)
            self._add(seen, "", exchange.parsed_response_body, 0)

    def summarise_responses(self) -> JsonObject:
        """Return the record: a summary of the responses, by kind of request and status."""
        with self._lock:
            record: JsonObject = defaultdict(dict)
            for (kind, status), seen in sorted(self._seen.items()):
                record[kind][str(status)] = seen.to_json()
            return dict(record)

    def _add_header(self, seen: _Responses, name: str, value: str) -> None:
        if name in _HEADERS_OF_THE_CONNECTION or not _HEADER_NAME.fullmatch(name):
            return
        found = seen.headers[name]
        found.count += 1
        words = self._vocabulary.allowed_words_by_field.get(name)
        if words is not None:
            parts = (part.strip().lower() for part in re.split("[;,]", value))
            found.forms |= {part if part in words else UNLISTED for part in parts}
        elif name in self._vocabulary.names_of_fields_with_recorded_size:
            form, size = _header_number(value)
            found.forms.add(form)
            found.sizes |= {describe_number_as_range(size)} if size is not None else set()
        else:
            found.forms.add("text")

    def _add(self, seen: _Responses, path: str, value: Any, depth: int) -> None:
        """Record the fields of a JSON value and of all objects inside the value."""
        if depth > _MAX_DEPTH:
            return
        if isinstance(value, list):
            for item in value:
                self._add(seen, f"{path}[]", item, depth + 1)
        elif isinstance(value, dict):
            seen.objects[path] += 1
            is_free = not self._vocabulary.fields_with_user_defined_keys.isdisjoint(
                re.split(r"[/\[\]]+", path)
            )
            named = [(self._name(key, is_free), inner) for key, inner in value.items()]
            for name in {name for name, _ in named}:
                seen.fields[path, name].count += 1
            for name, inner in named:
                self._describe(seen.fields[path, name], name, inner, is_error=seen.status >= 400)
                self._add(seen, f"{path}/{name}".lstrip("/"), inner, depth + 1)

    def _name(self, key: str, is_free: bool) -> str:
        is_known = not is_free and self._vocabulary.field_name_pattern.fullmatch(key)
        return key if is_known else "{name}"

    def _describe(self, found: _Field, name: str, value: Any, *, is_error: bool) -> None:
        words = self._vocabulary.allowed_words_by_field.get(name)
        if words is not None and isinstance(value, str):
            listed = value if is_error else LISTED
            found.forms.add(listed if value in words else UNLISTED)
            return
        form, size = _form_and_size(value)
        found.forms.add(form)
        if size is not None and name in self._vocabulary.names_of_fields_with_recorded_size:
            found.sizes.add(describe_number_as_range(size))


def _form_and_size(value: Any) -> tuple[str, float | None]:
    if isinstance(value, str):
        if moment := _TIME.fullmatch(value):
            zone = {None: "no zone", "Z": "Z"}.get(moment["zone"], "offset")
            return f"time, {'fraction, ' if moment['fraction'] else ''}{zone}", len(value)
        is_link = value.startswith(("https://", "http://"))
        return ("link" if is_link else "text"), len(value)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return _FORM_BY_TYPE[type(value)], value if is_number else None


def _header_number(value: str) -> tuple[str, float | None]:
    """Return the form of a header such as Retry-After (whole number, fraction, date or text) and
    the header's number. None as the number: it is a date or text."""
    if value.isdecimal() and len(value) < 16:
        return "whole number", int(value)
    try:
        return "fraction", float(value)
    except ValueError:
        pass
    try:
        parsedate_to_datetime(value)
        return "date", None
    except (ValueError, TypeError, IndexError):
        return "text", None


def _percentiles(seconds: Sequence[float]) -> JsonObject:
    """Return the classes of the 50th, 95th and 100th percentile. Return an empty object if there
    are no measurements."""
    ordered = sorted(seconds)

    def at(share: float) -> str:
        return describe_number_as_range(float(ordered[math.ceil(share * len(ordered)) - 1]))

    return {"p50": at(0.5), "p95": at(0.95), "max": at(1)} if ordered else {}


def parse_allowed_word_lines(*texts: str) -> Iterator[tuple[str, frozenset[str]]]:
    """Yield pairs of a field name and its allowed words, for
    `RecordableNamesAndWords.allowed_words_by_field`.

    texts: each text has a field name and its words, such as `importance: low normal high`.
    """
    for text in texts:
        name, _, words = text.partition(": ")
        yield name, frozenset(words.split())
