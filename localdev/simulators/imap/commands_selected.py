"""Run the commands that open a folder and change its messages (RFC 3501, 4315, 6851, 7162)."""

from collections.abc import Iterator
from dataclasses import dataclass

from localdev.simulators.imap.command import (
    BadCommand,
    Command,
    ParsedArgument,
    parse_list_argument,
    parse_number_argument,
    parse_text_argument,
    parse_uppercase_text_argument,
)
from localdev.simulators.imap.commands_folders import folder_object_id, parse_folder_name
from localdev.simulators.imap.flags import SYSTEM_FLAGS, canonical_flag, format_flags
from localdev.simulators.imap.folder_state import MessageWithoutContents, SimulatedFolderReader
from localdev.simulators.imap.number_set import SequenceSet, format_sequence_set, parse_sequence_set
from localdev.simulators.imap.response import (
    CommandRejectedError,
    FetchResponse,
    PrerenderedResponse,
    SingleNumberResponse,
    UntaggedResponse,
    vanished_response,
)
from localdev.simulators.imap.selection import (
    find_messages_in_sequence_set,
    is_uid_command,
    messages_with_flag,
)
from localdev.simulators.imap.session import CommandHandler, SelectedFolder, Session
from localdev.simulators.imap.store import ImapMailbox


@dataclass(frozen=True, slots=True)
class _Known:
    """The state of a folder that a client knows from an earlier connection when it opens the folder
    (RFC 7162, section 3.2.5)."""

    uid_validity: int
    mod_seq: int
    uids: SequenceSet | None


def _select(session: Session, command: Command) -> Iterator[UntaggedResponse | str]:
    mailbox = session.require_logged_in_mailbox()
    if not command.arguments:
        raise BadCommand(f"{command.verb} needs a mailbox.")
    if session.selected is not None:
        session.selected = None
        yield PrerenderedResponse("CLOSED", b"OK [CLOSED] Previous mailbox closed.")
    known = _select_parameters(session, command.arguments[1:])
    is_read_only = command.verb == "EXAMINE"
    with mailbox.transaction():
        folder = mailbox.find_folder(parse_folder_name(session, command.arguments[0]))
        state = mailbox.make_folder_reader(folder)
        selected = SelectedFolder(
            folder, is_read_only, state.list_messages(), state.highest_mod_seq
        )
        opening = list(_opening(session, selected, state))
        earlier = _vanished_since(known, state) if known else []
    session.selected = selected
    yield from opening
    if known and known.uid_validity == state.uid_validity:
        yield from _changes_since(session, selected, known, earlier)
    access = "READ-ONLY" if is_read_only else "READ-WRITE"
    yield f"[{access}] {command.verb.capitalize()} completed."


def _opening(
    session: Session, selected: SelectedFolder, state: SimulatedFolderReader
) -> Iterator[UntaggedResponse]:
    keywords = {flag for each in selected.messages for flag in each.flags} - {*SYSTEM_FLAGS}
    flags = format_flags(frozenset({*SYSTEM_FLAGS, *keywords}))
    yield PrerenderedResponse("FLAGS", b"FLAGS %b" % flags)
    permanent = b"()" if selected.is_read_only else flags[:-1] + b" \\*)"
    yield PrerenderedResponse(
        "PERMANENTFLAGS", b"OK [PERMANENTFLAGS %b] Flags permitted." % permanent
    )
    yield SingleNumberResponse("EXISTS", len(selected.messages), b"%d EXISTS")
    yield SingleNumberResponse("RECENT", 0, b"%d RECENT")
    unseen = [n for n, each in enumerate(selected.messages, 1) if "\\Seen" not in each.flags]
    if unseen:
        yield SingleNumberResponse("UNSEEN-NUMBER", unseen[0], b"OK [UNSEEN %d] First unseen.")
    yield SingleNumberResponse("UIDVALIDITY", state.uid_validity, b"OK [UIDVALIDITY %d] UIDs valid")
    yield SingleNumberResponse("UIDNEXT", state.uid_next, b"OK [UIDNEXT %d] Predicted next UID")
    if session.options.has_extension("CONDSTORE"):
        yield SingleNumberResponse(
            "HIGHESTMODSEQ", selected.highest_mod_seq, b"OK [HIGHESTMODSEQ %d] Highest"
        )
    if session.options.has_extension("OBJECTID"):
        yield PrerenderedResponse(
            "MAILBOXID", b"OK [MAILBOXID (%b)] Ok" % folder_object_id(selected.folder).encode()
        )


def _select_parameters(session: Session, rest: list[ParsedArgument]) -> _Known | None:
    """Enable the extensions that the parameters name; return the values of QRESYNC, or None if the
    client does not use QRESYNC."""
    known = None
    for number, token in enumerate(parameters := parse_list_argument(rest[0]) if rest else []):
        if isinstance(token, list):
            if not number or parameters[number - 1] != b"QRESYNC":
                raise BadCommand("Unexpected parameters.")
            known = _known(token)
            continue
        name = parse_uppercase_text_argument(token)
        if name not in ("CONDSTORE", "QRESYNC"):
            raise BadCommand("Unknown parameter.")
        session.require_extension(name)
        if name == "QRESYNC" and not session.is_qresync_enabled:
            raise BadCommand("QRESYNC not enabled.")
        session.enabled_extensions.add("CONDSTORE")
        if name == "QRESYNC" and not isinstance(parameters[-1], list):
            raise BadCommand("QRESYNC needs values.")
    return known


def _known(values: list[ParsedArgument]) -> _Known:
    if len(values) < 2:
        raise BadCommand("QRESYNC needs UIDVALIDITY and a mod-sequence.")
    has_uids = len(values) > 2 and not isinstance(values[2], list)
    uids = parse_sequence_set(parse_text_argument(values[2])) if has_uids else None
    return _Known(parse_number_argument(values[0]), parse_number_argument(values[1]), uids)


def _vanished_since(known: _Known, state: SimulatedFolderReader) -> list[int]:
    uids = list(state.uids_vanished_since_mod_seq(known.mod_seq))
    return known.uids.filter_numbers(uids) if known.uids else uids


def _changes_since(
    session: Session, selected: SelectedFolder, known: _Known, earlier: list[int]
) -> Iterator[UntaggedResponse]:
    if earlier:
        yield vanished_response(earlier, earlier=True)
    wanted = set(known.uids.filter_numbers(selected.uids)) if known.uids else set(selected.uids)
    for number, each in enumerate(selected.messages, 1):
        if each.mod_seq > known.mod_seq and each.uid in wanted:
            yield session.fetch_response_with_flags(number, each, with_uid=True)


def _close(session: Session, command: Command) -> Iterator[UntaggedResponse | str]:
    selected, mailbox = session.require_open_folder(), session.require_logged_in_mailbox()
    if command.verb == "CLOSE" and not selected.is_read_only:
        mailbox.remove_messages_from_folder(selected.folder, _deleted(mailbox, selected))
    session.selected = None
    yield f"{command.verb.capitalize()} completed."


def _expunge(session: Session, command: Command) -> Iterator[UntaggedResponse | str]:
    selected, mailbox = session.require_open_folder(), session.require_logged_in_mailbox()
    deleted = [] if selected.is_read_only else _deleted(mailbox, selected)
    if is_uid_command(command):
        session.require_extension("UIDPLUS")
        wanted = parse_sequence_set(parse_text_argument(_argument(command, 0))).filter_numbers(
            selected.uids
        )
        deleted = [each for each in deleted if each.uid in set(wanted)]
    mailbox.remove_messages_from_folder(selected.folder, deleted)
    yield from session.generate_folder_change_responses(may_expunge=True)


def _deleted(mailbox: ImapMailbox, selected: SelectedFolder) -> list[MessageWithoutContents]:
    """Return the messages that are known to the session and have the flag \\Deleted now."""
    known = set(selected.uids)
    present = mailbox.make_folder_reader(selected.folder).list_messages()
    return messages_with_flag([each for each in present if each.uid in known], "\\Deleted")


def _store(session: Session, command: Command) -> Iterator[UntaggedResponse | str]:
    selected, mailbox = session.require_open_folder(), session.require_logged_in_mailbox()
    arguments = list(command.arguments)
    limit = None
    if len(arguments) > 2 and isinstance(arguments[1], list):
        limit = _unchanged_since(session, parse_list_argument(arguments.pop(1)))
    if len(arguments) < 3:
        raise BadCommand("STORE needs messages, an item and flags.")
    numbers, item, *given = arguments
    operation, is_silent = _operation(parse_uppercase_text_argument(item))
    words = given[0] if isinstance(given[0], list) else given
    flags = frozenset(canonical_flag(parse_text_argument(each)) for each in words)
    if "\\Recent" in flags:
        raise BadCommand("Invalid system flag \\Recent.")
    chosen = find_messages_in_sequence_set(selected, numbers, by_uid=is_uid_command(command))
    if selected.is_read_only:
        # Dovecot does the same.
        yield "Store ignored with read-only mailbox."
        return
    fresh = {each.uid: each for each in mailbox.make_folder_reader(selected.folder).list_messages()}
    modified: list[int] = []
    with mailbox.transaction():
        for number, each in chosen:
            if limit is not None and fresh.get(each.uid, each).mod_seq > limit:
                modified.append(each.uid if is_uid_command(command) else number)
            else:
                mailbox.change_message_flags(
                    each, lambda present: _result(operation, present, flags)
                )
    silent = {each.uid for _, each in chosen} if is_silent else set()
    yield from _stored(session, silent, by_uid=is_uid_command(command))
    if modified:
        yield f"[MODIFIED {format_sequence_set(modified)}] Conditional store failed."


def _stored(session: Session, silent: set[int], *, by_uid: bool) -> Iterator[UntaggedResponse]:
    """Yield the responses that report the changes of the folder. For a message in `silent`, report
    only the mod-sequence, and only if CONDSTORE is enabled.

    silent: UIDs of the messages of a STORE with `.SILENT`.
    """
    for each in session.generate_folder_change_responses(may_expunge=by_uid, with_uid=by_uid):
        if not isinstance(each, FetchResponse) or each.uid not in silent:
            yield each
        elif "CONDSTORE" in session.enabled_extensions:
            yield each.copy_without_item("FLAGS")


def _operation(item: str) -> tuple[str, bool]:
    name, found, silent = item.partition(".")
    if name not in ("FLAGS", "+FLAGS", "-FLAGS") or (found and silent != "SILENT"):
        raise BadCommand("Invalid item of STORE.")
    return name[:-5], bool(found)


def _result(operation: str, present: frozenset[str], given: frozenset[str]) -> frozenset[str]:
    """Return the flags after STORE. Keywords are case-insensitive. A keyword that the message
    already has keeps its spelling."""
    spelling = {each.lower(): each for each in present}
    flags = frozenset(spelling.get(each.lower(), each) for each in given)
    match operation:
        case "+":
            return present | flags
        case "-":
            return present - flags
    return flags


def _unchanged_since(session: Session, modifiers: list[ParsedArgument]) -> int:
    session.require_extension("CONDSTORE")
    if len(modifiers) != 2 or parse_uppercase_text_argument(modifiers[0]) != "UNCHANGEDSINCE":
        raise BadCommand("Unknown modifier of STORE.")
    session.enabled_extensions.add("CONDSTORE")
    return parse_number_argument(modifiers[1])


def _copy(session: Session, command: Command) -> Iterator[UntaggedResponse | str]:
    selected, mailbox = session.require_open_folder(), session.require_logged_in_mailbox()
    is_move = command.verb.endswith("MOVE")
    if is_move:
        session.require_extension("MOVE")
        _writable(session)
    name = parse_folder_name(session, _argument(command, 1))
    chosen = find_messages_in_sequence_set(
        selected, _argument(command, 0), by_uid=is_uid_command(command)
    )
    messages = [each for _, each in chosen]
    if not messages:
        yield "No messages found."
        return
    target = mailbox.find_folder(name, code="TRYCREATE")
    if is_move:
        pairs = mailbox.move_messages(selected.folder, messages, target)
    else:
        pairs = mailbox.copy_messages(messages, target)
    code = ""
    if session.options.has_extension("UIDPLUS"):
        sources, copies = (format_sequence_set(uids) for uids in zip(*pairs, strict=True))
        code = f"[COPYUID {mailbox.make_folder_reader(target).uid_validity} {sources} {copies}] "
    if is_move and code:
        yield PrerenderedResponse("COPYUID", f"OK {code}Moved UIDs.".encode())
        code = ""
    yield from session.generate_folder_change_responses(
        may_expunge=is_move or is_uid_command(command)
    )
    yield f"{code}{command.verb.capitalize()} completed."


def _writable(session: Session) -> SelectedFolder:
    selected = session.require_open_folder()
    if selected.is_read_only:
        raise CommandRejectedError("Mailbox is read-only.")
    return selected


def _argument(command: Command, number: int) -> ParsedArgument:
    if len(command.arguments) <= number:
        raise BadCommand(f"{command.verb} needs more arguments.")
    return command.arguments[number]


SELECTED_COMMAND_HANDLERS: dict[str, CommandHandler] = {
    "SELECT": _select,
    "EXAMINE": _select,
    "CLOSE": _close,
    "UNSELECT": _close,
    "EXPUNGE": _expunge,
    "UID EXPUNGE": _expunge,
    "STORE": _store,
    "UID STORE": _store,
    "COPY": _copy,
    "UID COPY": _copy,
    "MOVE": _copy,
    "UID MOVE": _copy,
}
