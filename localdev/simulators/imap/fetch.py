"""Run FETCH and UID FETCH (RFC 3501, section 6.4.5; RFC 7162; RFC 8474)."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from localdev.simulators.imap.command import (
    BadCommand,
    Command,
    ParsedArgument,
    parse_list_argument,
    parse_number_argument,
    parse_text_argument,
    parse_uppercase_text_argument,
)
from localdev.simulators.imap.flags import format_flags
from localdev.simulators.imap.folder_state import GmailMessageAttributes, MessageWithoutContents
from localdev.simulators.imap.gmail import format_labels
from localdev.simulators.imap.message_bytes import extract_message_section
from localdev.simulators.imap.mime_parts import (
    extract_numbered_section,
    format_body_structure,
    format_envelope,
    parse_part_tree,
)
from localdev.simulators.imap.number_set import parse_sequence_set
from localdev.simulators.imap.options import GMAIL_CAPABILITY
from localdev.simulators.imap.response import (
    FetchResponse,
    UntaggedResponse,
    format_literal,
    vanished_response,
)
from localdev.simulators.imap.selection import find_messages_in_sequence_set, is_uid_command
from localdev.simulators.imap.session import CommandHandler, SelectedFolder, Session
from localdev.simulators.imap.store import ImapMailbox

_SECTION = re.compile(
    r"BODY(\.PEEK)?\[((?:[1-9]\d{0,3}(?:\.[1-9]\d{0,3}){0,20}(?:\.MIME|(?=\])|\.(?=[HT])))?"
    r"(?:|HEADER|TEXT|HEADER\.FIELDS(?:\.NOT)? \(([^()]*)\)))\]"
    r"(?:<(\d{1,10})\.(\d{1,10})>)?",
    re.IGNORECASE,
)
_MACROS = {
    "FAST": "FLAGS INTERNALDATE RFC822.SIZE",
    "ALL": "FLAGS INTERNALDATE RFC822.SIZE ENVELOPE",
}
_EXTENSION = {"MODSEQ": "CONDSTORE", "EMAILID": "OBJECTID", "THREADID": "OBJECTID"}
_EXTENSION |= dict.fromkeys(("X-GM-MSGID", "X-GM-THRID", "X-GM-LABELS"), GMAIL_CAPABILITY)
_OF_PARTS: dict[str, Callable[[bytes], bytes]] = {
    "ENVELOPE": format_envelope,
    "BODYSTRUCTURE": lambda raw: format_body_structure(parse_part_tree(raw)),
}
"""For each item that describes the message, the function that makes its value from the message's
bytes."""
_RFC822 = {"RFC822": "", "RFC822.HEADER": "HEADER", "RFC822.TEXT": "TEXT"}
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True, slots=True)
class _Item:
    """A data item to fetch.

    label: name of the item in the response.
    section: section of the message's bytes from which the value is made, such as `HEADER` or `1.2`.
        Empty: the whole message. None: the value is not made from the bytes, such as FLAGS.
    fields: names of the header fields for HEADER.FIELDS and HEADER.FIELDS.NOT.
    marks_read: whether the fetch sets the flag \\Seen.
    part: offset of the first byte, and number of bytes. None: the whole section.
    """

    label: str
    section: str | None = None
    fields: tuple[str, ...] = ()
    marks_read: bool = False
    part: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class _Modifiers:
    changed_since: int | None = None
    reports_vanished: bool = False


def _fetch(session: Session, command: Command) -> Iterator[UntaggedResponse | str]:
    selected, mailbox = session.require_open_folder(), session.require_logged_in_mailbox()
    by_uid = is_uid_command(command)
    if not 2 <= len(command.arguments) <= 3:
        raise BadCommand("FETCH needs messages and items.")
    modifiers = _modifiers(session, command.arguments[2:], by_uid=by_uid)
    items = _items(session, command.arguments[1])
    if by_uid:
        items = [_Item("UID"), *(each for each in items if each.label != "UID")]
    if modifiers.changed_since is not None and all(each.label != "MODSEQ" for each in items):
        items.append(_Item("MODSEQ"))
    chosen = find_messages_in_sequence_set(selected, command.arguments[0], by_uid=by_uid)
    changed = [pair for pair in chosen if pair[1].mod_seq > (modifiers.changed_since or 0)]
    if modifiers.reports_vanished:
        yield from _vanished(mailbox, selected, command.arguments[0], modifiers)
    marks_read = any(each.marks_read for each in items) and not selected.is_read_only
    has_parts = any(each.section is not None for each in items)
    is_gone = False
    for number, message in changed:
        exists = not has_parts or mailbox.is_listed_message_still_there(message, selected.folder)
        is_gone |= not exists
        if marks_read and exists:
            mailbox.change_message_flags(message, lambda present: present | {"\\Seen"})
        yield FetchResponse(number, message.uid, _values(mailbox, message, items, exists=exists))
    yield from session.generate_folder_change_responses(may_expunge=by_uid, with_uid=by_uid)
    if is_gone:
        yield "[EXPUNGEISSUED] Some messages were already expunged."


def _modifiers(session: Session, rest: Sequence[ParsedArgument], *, by_uid: bool) -> _Modifiers:
    words = parse_list_argument(rest[0]) if rest else []
    if not words:
        return _Modifiers()
    session.require_extension("CONDSTORE")
    if parse_uppercase_text_argument(words[0]) != "CHANGEDSINCE" or not 2 <= len(words) <= 3:
        raise BadCommand("Unknown FETCH modifier.")
    reports_vanished = len(words) == 3 and parse_uppercase_text_argument(words[2]) == "VANISHED"
    if len(words) == 3 and not reports_vanished:
        raise BadCommand("Unknown FETCH modifier.")
    if reports_vanished and not (by_uid and session.is_qresync_enabled):
        raise BadCommand("VANISHED FETCH modifier needs UID FETCH, and QRESYNC enabled.")
    session.enabled_extensions.add("CONDSTORE")
    return _Modifiers(parse_number_argument(words[1]), reports_vanished)


def _vanished(
    mailbox: ImapMailbox, selected: SelectedFolder, uids: ParsedArgument, modifiers: _Modifiers
) -> Iterator[UntaggedResponse]:
    since = modifiers.changed_since or 0
    left = set(
        mailbox.make_folder_reader(selected.folder).uids_vanished_since_mod_seq(since)
    ) - set(selected.uids)
    wanted = parse_sequence_set(parse_text_argument(uids)).filter_numbers(sorted(left))
    if wanted:
        yield vanished_response(wanted, earlier=True)


def _items(session: Session, token: ParsedArgument) -> list[_Item]:
    if isinstance(token, list):
        names = [parse_text_argument(each) for each in token]
    else:
        macro = _MACROS.get(parse_text_argument(token).upper())
        names = macro.split() if macro else [parse_text_argument(token)]
    return [_item(session, name) for name in names]


def _item(session: Session, name: str) -> _Item:
    label = name.upper()
    if label in _PLAIN_VALUES or label == "RFC822.SIZE":
        if label in _EXTENSION:
            session.require_extension(_EXTENSION[label])
        if label == "MODSEQ":
            session.enabled_extensions.add("CONDSTORE")
        return _Item(label)
    if label in _OF_PARTS:
        return _Item(label, "")
    if label in _RFC822:
        return _Item(label, _RFC822[label], marks_read=label != "RFC822.HEADER")
    match = _SECTION.fullmatch(name)
    if match is None:
        raise BadCommand(f"Error in IMAP command FETCH: {name[:100]}")
    peek, wanted, fields, first, size = match.groups()
    shown = wanted.upper().partition(" ")[0]
    names = tuple(each.strip('"').upper() for each in (fields or "").split())
    label = f"BODY[{shown}{f' ({chr(32).join(names)})' if fields is not None else ''}]"
    part = None if first is None else (int(first), int(size))
    if part:
        label += f"<{part[0]}>"
    return _Item(label, shown, names, marks_read=not peek, part=part)


def _values(
    mailbox: ImapMailbox, message: MessageWithoutContents, items: Sequence[_Item], *, exists: bool
) -> tuple[tuple[str, bytes], ...]:
    """Return pairs of each item's name and value. A message that another client removed
    (`exists=False`) has NIL for each section, as on Dovecot."""
    raw = None
    if exists and any(each.section is not None for each in items):
        raw = mailbox.read_message_bytes(message)
    size = 0
    if any(each.label == "RFC822.SIZE" for each in items):
        size = len(raw) if raw is not None else mailbox.read_message_size_bytes(message) or 0
    return tuple(
        (
            item.label,
            _plain_value(message, item.label, size)
            if item.section is None
            else _section_value(raw, item),
        )
        for item in items
    )


def _section_value(raw: bytes | None, item: _Item) -> bytes:
    if raw is None:
        return b"NIL"
    if item.label in _OF_PARTS:
        return _OF_PARTS[item.label](raw)
    name = item.section or ""
    read = extract_numbered_section if name[:1].isdigit() else extract_message_section
    content = read(raw, name, item.fields)
    if item.part:
        content = content[item.part[0] : item.part[0] + item.part[1]]
    return format_literal(content)


def _plain_value(message: MessageWithoutContents, label: str, size: int) -> bytes:
    if label == "RFC822.SIZE":
        return b"%d" % size
    return _PLAIN_VALUES[label](message)


def _internal_date(received_at: str) -> bytes:
    moment = datetime.fromisoformat(received_at)
    # Not strftime: the names of its months depend on the locale.
    day = f"{moment.day:02}-{_MONTHS[moment.month - 1]}-{moment.year:04}"
    return f'"{day} {moment:%H:%M:%S} +0000"'.encode()


def _of_gmail(message: MessageWithoutContents) -> GmailMessageAttributes:
    assert message.gmail_attributes, "the extension is offered"
    return message.gmail_attributes


_PLAIN_VALUES: dict[str, Callable[[MessageWithoutContents], bytes]] = {
    "UID": lambda message: b"%d" % message.uid,
    "FLAGS": lambda message: format_flags(message.flags),
    "INTERNALDATE": lambda message: _internal_date(message.received_at),
    "MODSEQ": lambda message: b"(%d)" % message.mod_seq,
    "EMAILID": lambda message: f"({message.object_ids['EMAILID']})".encode(),
    "THREADID": lambda message: f"({message.object_ids['THREADID']})".encode(),
    "X-GM-MSGID": lambda message: b"%d" % _of_gmail(message).gmail_message_id,
    "X-GM-THRID": lambda message: b"%d" % _of_gmail(message).gmail_thread_id,
    "X-GM-LABELS": lambda message: format_labels(_of_gmail(message).labels),
}

FETCH_COMMAND_HANDLERS: dict[str, CommandHandler] = {"FETCH": _fetch, "UID FETCH": _fetch}
