"""Define the untagged responses of an IMAP server, as values that a fault can change."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from localdev.mail.modified_utf7 import encode_modified_utf7
from localdev.simulators.imap.number_set import format_number_set


class Rejected(Exception):
    """The server rejects a command with NO. code: response code in brackets; "" for none."""

    def __init__(self, text: str, code: str = "") -> None:
        super().__init__(text)
        self.code = code


class Bye(Exception):
    """The server ends the connection with BYE. The message is what BYE says."""


@dataclass(frozen=True, slots=True)
class Text:
    """A response that no fault changes by its contents. about: the folder that it describes."""

    kind: str
    text: bytes
    about: str = ""

    def render(self) -> bytes:
        return self.text


@dataclass(frozen=True, slots=True)
class Number:
    """A response with one number, such as `3 EXISTS` or `OK [UIDNEXT 4] ...`. template: the
    response with `%d` in the number's place."""

    kind: str
    number: int
    template: bytes

    def render(self) -> bytes:
        return self.template % self.number


@dataclass(frozen=True, slots=True)
class Status:
    """A STATUS response. values: item and number, or the text of an id. about: the folder."""

    about: str
    name: bytes
    values: Mapping[str, int | str]
    kind: str = "STATUS"

    def render(self) -> bytes:
        pairs = [f"{name} {value}" for name, value in self.values.items()]
        return b"STATUS %b (%b)" % (self.name, " ".join(pairs).encode())


@dataclass(frozen=True, slots=True)
class Fetched:
    """A FETCH response of one message. items: data items in their order, with rendered values.

    is_change: the response reports a change and was not requested by UID or number.
    """

    sequence: int
    uid: int
    items: tuple[tuple[str, bytes], ...]
    is_change: bool = False
    kind: str = "FETCH"

    @property
    def about(self) -> str:
        return str(self.uid)

    def without(self, name: str) -> "Fetched":
        return replace(self, items=tuple(item for item in self.items if item[0] != name))

    @property
    def has_body(self) -> bool:
        return any(name.startswith(("BODY[]", "RFC822")) for name, _ in self.items)

    def render(self) -> bytes:
        items = b" ".join(name.encode() + b" " + value for name, value in self.items)
        return b"%d FETCH (%b)" % (self.sequence, items)


@dataclass(frozen=True, slots=True)
class Numbers:
    """A response with numbers of messages: SEARCH, ESEARCH or VANISHED. write: renders them."""

    kind: str
    numbers: Sequence[int]
    write: Callable[[Sequence[int]], bytes] = field(repr=False)

    def render(self) -> bytes:
        return self.write(self.numbers)


Untagged = Text | Number | Status | Fetched | Numbers


def vanished(uids: Sequence[int], *, earlier: bool) -> Numbers:
    """Return a VANISHED response (RFC 7162, section 3.2.10)."""
    head = b"VANISHED (EARLIER) " if earlier else b"VANISHED "
    return Numbers("VANISHED", uids, lambda found: head + format_number_set(found).encode())


def quote(text: str) -> bytes:
    """Return a text as a quoted string, or as a literal where quotes do not suffice."""
    content = text.encode("utf-8", "replace")
    if len(content) > 1000 or re.search(rb"[\x00-\x1f\x7f-\xff]", content):
        return literal(content)
    return _in_quotes(content)


def quote_name(name: str, *, is_utf8: bool) -> bytes:
    """Return a folder's name as a quoted string, in UTF-8 or in modified UTF-7. A name with control
    characters is in modified UTF-7 always."""
    text = name if is_utf8 and name.isprintable() else encode_modified_utf7(name)
    return _in_quotes(text.encode("utf-8", "replace"))


def _in_quotes(content: bytes) -> bytes:
    return b'"%b"' % re.sub(rb'(["\\])', rb"\\\1", content)


def literal(content: bytes) -> bytes:
    return b"{%d}\r\n%b" % (len(content), content)
