"""Define the untagged responses of an IMAP server, as values that a fault can change."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from localdev.mail.modified_utf7 import encode_modified_utf7
from localdev.simulators.imap.number_set import format_sequence_set


class CommandRejectedError(Exception):
    """Raised when the server rejects a command with the response NO.

    code: the response code in brackets, such as `CANNOT`. Empty: the response has no code.
    """

    def __init__(self, text: str, code: str = "") -> None:
        super().__init__(text)
        self.code = code


class SessionEndedWithBye(Exception):
    """Raised when the server ends the connection with BYE. The message is the text of BYE."""


@dataclass(frozen=True, slots=True)
class PrerenderedResponse:
    """An untagged response of fixed text. Injected faults can omit or repeat the response, but
    do not change the text.

    response_name: the name of the response, such as `LIST`.
    folder_name_or_uid_for_faults: name of the folder that the response describes. Empty: no folder.
    """

    response_name: str
    text: bytes
    folder_name_or_uid_for_faults: str = ""

    def render(self) -> bytes:
        return self.text


@dataclass(frozen=True, slots=True)
class SingleNumberResponse:
    """An untagged response with one number, such as `3 EXISTS` or `OK [UIDNEXT 4] ...`.

    response_name: the name of the number, such as `EXISTS` or `UIDNEXT`.
    text_template: the text of the response, with `%d` in place of the number.
    """

    response_name: str
    reported_number: int
    text_template: bytes

    def render(self) -> bytes:
        return self.text_template % self.reported_number


@dataclass(frozen=True, slots=True)
class FolderStatusResponse:
    """A STATUS response, which describes one folder.

    folder_name_or_uid_for_faults: name of the folder in plain text, which `Fault.about` can name.
    quoted_folder_name: name of the folder, encoded and quoted as the response sends it.
    value_by_item: the value of each status item: a number, or an id as text for MAILBOXID.
    """

    folder_name_or_uid_for_faults: str
    quoted_folder_name: bytes
    value_by_item: Mapping[str, int | str]
    response_name: str = "STATUS"

    def render(self) -> bytes:
        pairs = [f"{name} {value}" for name, value in self.value_by_item.items()]
        return b"STATUS %b (%b)" % (self.quoted_folder_name, " ".join(pairs).encode())


@dataclass(frozen=True, slots=True)
class FetchResponse:
    """A FETCH response about one message.

    sequence_number: IMAP sequence number of the message.
    data_item_name_value_pairs: names and rendered values of the data items, in the order of the
        response.
    reports_changed_flags: whether the server sends the response to report changed flags. False: the
        response answers a FETCH of the client.
    """

    sequence_number: int
    uid: int
    data_item_name_value_pairs: tuple[tuple[str, bytes], ...]
    reports_changed_flags: bool = False
    response_name: str = "FETCH"

    @property
    def folder_name_or_uid_for_faults(self) -> str:
        return str(self.uid)

    def copy_without_item(self, name: str) -> "FetchResponse":
        return replace(
            self,
            data_item_name_value_pairs=tuple(
                item for item in self.data_item_name_value_pairs if item[0] != name
            ),
        )

    @property
    def has_body(self) -> bool:
        return any(
            name.startswith(("BODY[]", "RFC822")) for name, _ in self.data_item_name_value_pairs
        )

    def render(self) -> bytes:
        items = b" ".join(
            name.encode() + b" " + value for name, value in self.data_item_name_value_pairs
        )
        return b"%d FETCH (%b)" % (self.sequence_number, items)


@dataclass(frozen=True, slots=True)
class NumberListResponse:
    """An untagged response with a list of UIDs or sequence numbers: SEARCH, ESEARCH or VANISHED.

    numbers_formatter: function that returns the text of the response for a list of numbers.
    """

    response_name: str
    numbers: Sequence[int]
    numbers_formatter: Callable[[Sequence[int]], bytes] = field(repr=False)

    def render(self) -> bytes:
        return self.numbers_formatter(self.numbers)


UntaggedResponse = (
    PrerenderedResponse
    | SingleNumberResponse
    | FolderStatusResponse
    | FetchResponse
    | NumberListResponse
)


def vanished_response(uids: Sequence[int], *, earlier: bool) -> NumberListResponse:
    """Return a VANISHED response, which names the UIDs of removed messages (RFC 7162, section
    3.2.10).

    earlier: whether the messages were removed before the client opened the folder.
    """
    head = b"VANISHED (EARLIER) " if earlier else b"VANISHED "
    return NumberListResponse(
        "VANISHED", uids, lambda found: head + format_sequence_set(found).encode()
    )


def format_imap_string(text: str) -> bytes:
    """Return a text as a quoted string; return a long text, or a text that quotes cannot hold,
    as a literal."""
    content = text.encode("utf-8", "replace")
    if len(content) > 1000 or re.search(rb"[\x00-\x1f\x7f-\xff]", content):
        return format_literal(content)
    return _in_quotes(content)


def quote_folder_name(name: str, *, is_utf8: bool) -> bytes:
    """Return a folder's name as a quoted string.

    is_utf8: True encodes the name in UTF-8, unless the name has control characters. All other names
        are encoded in modified UTF-7.
    """
    text = name if is_utf8 and name.isprintable() else encode_modified_utf7(name)
    return _in_quotes(text.encode("utf-8", "replace"))


def _in_quotes(content: bytes) -> bytes:
    return b'"%b"' % re.sub(rb'(["\\])', rb"\\\1", content)


def format_literal(content: bytes) -> bytes:
    return b"{%d}\r\n%b" % (len(content), content)
