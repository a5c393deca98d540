"""Parse address lists of mail headers, including malformed ones (RFC 5322, section 3.4).

The standard library's parser drops an address whose display name contains an `@`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

from mailsync.mime.headers import decode_header_text
from mailsync.model import Address

# Possessive quantifiers (`++`, `*+`) keep the cost of a hostile value linear in time and memory.
_TOKEN = re.compile(
    r"""(?P<encoded>=\?[^?\s]++\?[bBqQ]\?[^?]*+\?=)
      | (?P<quoted>"(?:[^"\\]|\\.?)*+")
      | \((?P<comment>(?:[^()]|\([^()]*+\))*+)\)
      | <(?P<angle>[^<>]*+)>
      | <(?P<unclosed>[^<>,;]*+)
      | (?P<end>[,;])
      | (?P<colon>:)
      | (?P<words>(?:[^",;:<(=]|=(?!\?))++)
      | (?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*+("?)', re.DOTALL)
_QUOTED_LOCAL_PART = re.compile(r'"[^"]*"@\S+')
_MAX_TOKENS = 100_000
_AROUND_AT = re.compile(r" ?@ ?")
_QUOTES = re.compile(r'"|\\(.)')
_ROUTE = re.compile(r"^@[^:]*:")  # of servers on the way, as RFC 822 had it


@dataclass(slots=True)
class _Mailbox:
    """The parts of one address: `words` before `<`, `angle` inside `<>`, `rest` after `>`."""

    words: list[str] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    angle: str | None = None
    rest: list[str] = field(default_factory=list)
    has_at: bool = False

    def add(self, text: str) -> None:
        (self.words if self.angle is None else self.rest).append(text)
        self.has_at = self.has_at or "@" in text


def parse_addresses(value: str, *, limit: int = 10_000) -> tuple[Address, ...]:
    """Parse the value of an address field; return the addresses, including those inside groups.

    A comma in an unquoted display name belongs to the name.

    value: text of the field. Bytes above 127 are already decoded; encoded words are not.
    limit: maximum number of addresses that are returned.
    """
    if not value:
        return ()
    found: list[Address] = []
    for mailbox in _joined(_mailboxes(_with_closed_quotes(value))):
        address = _address(mailbox)
        if address.name or address.address:
            found.append(address)
        if len(found) >= limit:
            break
    return tuple(found)


def _with_closed_quotes(value: str) -> str:
    """Drop a quotation mark that is never closed. Otherwise all text after it, which may contain
    further addresses, would be one quoted name."""
    for quoted in _QUOTED.finditer(value):
        if not quoted[1]:
            return value[: quoted.start()] + quoted[0].replace('"', "")
    return value


def _mailboxes(value: str) -> Iterator[_Mailbox]:
    current = _Mailbox()
    for token in islice(_TOKEN.finditer(value), _MAX_TOKENS):
        kind, text = token.lastgroup, token[token.lastgroup or 0]
        if kind in ("angle", "unclosed"):
            if current.angle is not None:
                yield current
                current = _Mailbox(words=current.rest)
            current.angle = text
        elif kind == "end":
            yield current
            current = _Mailbox()
        elif kind == "colon" and current.angle is None and not current.has_at:
            current = _Mailbox()  # what stands before it is the name of a group
        elif kind == "comment":
            current.comments.append(text)
        else:
            current.add(text)
    yield current


def _joined(mailboxes: Iterator[_Mailbox]) -> Iterator[_Mailbox]:
    """Join a name without an address to the address after it, because an unquoted comma splits a
    name: `Lovelace, Ada <ada@example.org>` is one address."""
    before: _Mailbox | None = None
    for mailbox in mailboxes:
        if before is not None:
            if mailbox.angle is not None:
                mailbox.words = ["".join(before.words).rstrip(), ", ", *mailbox.words]
            else:
                yield before
        is_name = mailbox.angle is None and not mailbox.has_at and "".join(mailbox.words).strip()
        before = mailbox if is_name else None
        if before is None:
            yield mailbox
    if before is not None:
        yield before


def _address(mailbox: _Mailbox) -> Address:
    comment = " ".join(mailbox.comments)
    words = " ".join("".join(mailbox.words).split())
    if mailbox.angle is not None:
        return Address(_name(words) or _name(comment), _compact(_ROUTE.sub("", mailbox.angle)))
    if _QUOTED_LOCAL_PART.fullmatch(words):
        return Address(_name(comment), words)
    parts = _AROUND_AT.sub("@", words).split()
    if len(parts) <= 1:
        return Address(_name(comment), "".join(parts))
    address = next((each for each in parts if "@" in each), "")
    name = " ".join(each for each in parts if each != address)
    return Address(_name(name if address else words), _compact(address))


def _name(words: str) -> str:
    """Return a display name without its quotation marks and with its encoded words decoded."""
    if '"' in words or "\\" in words:
        words = _QUOTES.sub(r"\1", words)
    return decode_header_text(words) if words else ""


def _compact(address: str) -> str:
    return "".join(address.split())
