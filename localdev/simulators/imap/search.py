"""Run SEARCH and UID SEARCH (RFC 3501, section 6.4.4; RFC 4731 for RETURN)."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from email.utils import parsedate_to_datetime

from localdev.simulators.imap.command import (
    Atom,
    BadCommand,
    Command,
    ParsedArgument,
    parse_list_argument,
    parse_number_argument,
    parse_text_argument,
    parse_uppercase_text_argument,
)
from localdev.simulators.imap.flags import canonical_flag
from localdev.simulators.imap.folder_state import MessageWithoutContents
from localdev.simulators.imap.message_bytes import header_value
from localdev.simulators.imap.number_set import SequenceSet, format_sequence_set, parse_sequence_set
from localdev.simulators.imap.options import GMAIL_CAPABILITY
from localdev.simulators.imap.response import (
    CommandRejectedError,
    NumberListResponse,
    UntaggedResponse,
)
from localdev.simulators.imap.selection import is_uid_command
from localdev.simulators.imap.session import CommandHandler, Session
from localdev.simulators.imap.store import ImapMailbox

MAX_SEARCH_KEYS = 1000


@dataclass(frozen=True, slots=True)
class _Candidate:
    number: int
    message: MessageWithoutContents
    mailbox: ImapMailbox

    @property
    def raw(self) -> bytes:
        return self.mailbox.read_message_bytes(self.message) or b""


_Test = Callable[[_Candidate], bool]
_FLAG_KEYS = {
    "ANSWERED": "\\Answered",
    "DELETED": "\\Deleted",
    "DRAFT": "\\Draft",
    "FLAGGED": "\\Flagged",
    "SEEN": "\\Seen",
}
_HEADER_KEYS = ("BCC", "CC", "FROM", "SUBJECT", "TO")
_RETURNS = ("ALL", "MIN", "MAX", "COUNT")


class _Keys:
    """Parses the keys of a SEARCH command into a function that tests a message."""

    def __init__(self, session: Session, tokens: Sequence[ParsedArgument]) -> None:
        self._session = session
        self._tokens = list(reversed(tokens))
        self.uses_mod_seq = False
        if len(tokens) > MAX_SEARCH_KEYS:
            raise BadCommand("Too many search keys.")

    def read_all(self, depth: int = 0) -> _Test:
        tests = []
        while self._tokens:
            tests.append(self._key(depth))
        if not tests:
            raise BadCommand("SEARCH needs keys.")
        return lambda each: all(test(each) for test in tests)

    def _key(self, depth: int) -> _Test:
        if depth > 50:
            raise BadCommand("Too many nested search keys.")
        token = self._next()
        if isinstance(token, list):
            inner = _Keys(self._session, token)
            test = inner.read_all(depth + 1)
            self.uses_mod_seq |= inner.uses_mod_seq
            return test
        name = parse_uppercase_text_argument(token)
        if re.fullmatch(r"[\d*][\d:,*]*", name):
            return self._in_set(parse_sequence_set(name), by_uid=False)
        match name:
            case "NOT":
                negated = self._key(depth + 1)
                return lambda each: not negated(each)
            case "OR":
                one, other = self._key(depth + 1), self._key(depth + 1)
                return lambda each: one(each) or other(each)
            case "UID":
                return self._in_set(
                    parse_sequence_set(parse_text_argument(self._next())), by_uid=True
                )
        return self._flag_key(name) or self._number_key(name) or self._text_key(name)

    def _in_set(self, wanted: SequenceSet, *, by_uid: bool) -> _Test:
        selected = self._session.require_open_folder()
        if by_uid:
            uids = set(wanted.filter_numbers(selected.uids))
            return lambda each: each.message.uid in uids
        numbers = set(wanted.filter_numbers(range(1, len(selected.messages) + 1)))
        return lambda each: each.number in numbers

    def _flag_key(self, name: str) -> _Test | None:
        if name in ("ALL", "OLD"):
            return lambda _: True
        if name in ("NEW", "RECENT"):
            return lambda _: False
        if name in ("KEYWORD", "UNKEYWORD"):
            flag = canonical_flag(parse_text_argument(self._next()))
            return lambda each: (flag in each.message.flags) == (name == "KEYWORD")
        flag = _FLAG_KEYS.get(name.removeprefix("UN"), "")
        if not flag:
            return None
        return lambda each: (flag in each.message.flags) != name.startswith("UN")

    def _number_key(self, name: str) -> _Test | None:
        if name == "MODSEQ":
            self._session.require_extension("CONDSTORE")
            self._session.enabled_extensions.add("CONDSTORE")
            self.uses_mod_seq = True
            if self._tokens and not isinstance(self._tokens[-1], Atom | list):
                self._next()  # entry name, such as "/flags/\\draft"
                self._next()  # entry type
            least = parse_number_argument(self._next())
            return lambda each: each.message.mod_seq >= least
        if name in ("X-GM-MSGID", "X-GM-THRID"):
            self._session.require_extension(GMAIL_CAPABILITY)
            wanted = parse_number_argument(self._next())
            return lambda each: wanted == _gmail_number(each.message, name)
        if name in ("LARGER", "SMALLER"):
            bound = parse_number_argument(self._next())
            sign = 1 if name == "LARGER" else -1
            return lambda each: (
                sign * (each.mailbox.read_message_size_bytes(each.message) or 0) > sign * bound
            )
        if name in ("BEFORE", "ON", "SINCE"):
            return _by_date(name, _date(self._next()), _received)
        if name in ("SENTBEFORE", "SENTON", "SENTSINCE"):
            return _by_date(name[4:], _date(self._next()), _sent)
        return None

    def _text_key(self, name: str) -> _Test:
        if name == "HEADER" or name in _HEADER_KEYS:
            field = parse_text_argument(self._next()) if name == "HEADER" else name
            wanted = parse_text_argument(self._next()).lower()
            return lambda each: _header_has(each.raw, field, wanted)
        if name in ("TEXT", "BODY"):
            content = parse_text_argument(self._next()).lower().encode()
            return lambda each: content in each.raw.lower()
        if name in ("EMAILID", "THREADID"):
            self._session.require_extension("OBJECTID")
            wanted = parse_text_argument(self._next())
            return lambda each: each.message.object_ids[name] == wanted
        raise BadCommand(f"Unknown search key {name[:50]}")

    def _next(self) -> ParsedArgument:
        if not self._tokens:
            raise BadCommand("A search key lacks its argument.")
        return self._tokens.pop()


def _gmail_number(message: MessageWithoutContents, name: str) -> int | None:
    if message.gmail_attributes is None:
        return None
    return (
        message.gmail_attributes.gmail_message_id
        if name == "X-GM-MSGID"
        else message.gmail_attributes.gmail_thread_id
    )


def _search(session: Session, command: Command) -> Iterator[UntaggedResponse | str]:
    selected, mailbox = session.require_open_folder(), session.require_logged_in_mailbox()
    arguments = list(command.arguments)
    returned = None
    if len(arguments) >= 2 and arguments[0] == b"RETURN" and isinstance(arguments[1], list):
        session.require_extension("ESEARCH")
        returned = [
            parse_uppercase_text_argument(each) for each in parse_list_argument(arguments[1])
        ] or ["ALL"]
        if not set(returned) <= set(_RETURNS):
            raise BadCommand("Unknown return option of SEARCH.")
        del arguments[:2]
    if len(arguments) >= 2 and arguments[0] == b"CHARSET":
        if parse_uppercase_text_argument(arguments[1]) not in ("UTF-8", "US-ASCII"):
            raise CommandRejectedError("Unknown charset", "BADCHARSET (UTF-8 US-ASCII)")
        del arguments[:2]
    keys = _Keys(session, arguments)
    test = keys.read_all()
    by_uid = is_uid_command(command)
    found = [
        (each.uid if by_uid else number, each.mod_seq)
        for number, each in enumerate(selected.messages, 1)
        if test(_Candidate(number, each, mailbox))
    ]
    mod_seq = max((mod_seq for _, mod_seq in found), default=0) if keys.uses_mod_seq else 0
    yield _result(command, [number for number, _ in found], returned, mod_seq)
    yield from session.generate_folder_change_responses(may_expunge=by_uid)


def _result(
    command: Command, found: Sequence[int], returned: Sequence[str] | None, mod_seq: int
) -> NumberListResponse:
    def search(numbers: Sequence[int]) -> bytes:
        words = ["SEARCH", *map(str, numbers)]
        if mod_seq:
            words.append(f"(MODSEQ {mod_seq})")
        return " ".join(words).encode()

    def extended(numbers: Sequence[int]) -> bytes:
        words = [f'ESEARCH (TAG "{command.tag}")', *(["UID"] if is_uid_command(command) else [])]
        values = {"COUNT": str(len(numbers))}
        if numbers:
            ends = {"MIN": str(min(numbers)), "MAX": str(max(numbers))}
            values |= {**ends, "ALL": format_sequence_set(numbers)}
        words += [
            f"{name} {values[name]}"
            for name in _RETURNS
            if name in (returned or ()) and name in values
        ]
        if mod_seq:
            words.append(f"MODSEQ {mod_seq}")
        return " ".join(words).encode()

    return NumberListResponse("SEARCH", found, search if returned is None else extended)


def _by_date(name: str, day: date, day_of: Callable[[_Candidate], date | None]) -> _Test:
    def test(each: _Candidate) -> bool:
        found = day_of(each)
        if found is None:
            return False
        return {"BEFORE": found < day, "ON": found == day, "SINCE": found >= day}[name]

    return test


def _received(each: _Candidate) -> date:
    return datetime.fromisoformat(each.message.received_at).date()


def _sent(each: _Candidate) -> date | None:
    try:
        return parsedate_to_datetime(header_value(each.raw, "Date") or "").date()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def _date(token: ParsedArgument) -> date:
    try:
        return datetime.strptime(parse_text_argument(token), "%d-%b-%Y").date()
    except ValueError:
        raise BadCommand("Invalid search date.") from None


def _header_has(raw: bytes, field: str, wanted: str) -> bool:
    value = header_value(raw, field)
    return value is not None and wanted in value.lower()


SEARCH_COMMAND_HANDLERS: dict[str, CommandHandler] = {"SEARCH": _search, "UID SEARCH": _search}
