"""Run the commands on folders by name (RFC 3501, 5258, 5819, 6154, 8474)."""

from collections.abc import Collection, Iterable, Iterator
from datetime import UTC, datetime

from localdev.mail.modified_utf7 import decode_modified_utf7
from localdev.simulators.imap.command import (
    Atom,
    BadCommand,
    Command,
    ParsedArgument,
    parse_list_argument,
    parse_text_argument,
    parse_uppercase_text_argument,
)
from localdev.simulators.imap.flags import canonical_flag
from localdev.simulators.imap.names import ImapFolder, matches_list_pattern
from localdev.simulators.imap.response import (
    FolderStatusResponse,
    PrerenderedResponse,
    UntaggedResponse,
    format_imap_string,
)
from localdev.simulators.imap.session import CommandHandler, Session
from localdev.simulators.imap.store import ImapMailbox

_STATUS_ITEMS = ("MESSAGES", "RECENT", "UIDNEXT", "UIDVALIDITY", "UNSEEN")
_MORE_STATUS_ITEMS = {"HIGHESTMODSEQ": "CONDSTORE", "MAILBOXID": "OBJECTID"}
_DATE_TIME = "%d-%b-%Y %H:%M:%S %z"


def parse_folder_name(session: Session, token: ParsedArgument) -> str:
    """Return the folder's name that an argument contains. The argument is in UTF-8 if the client
    has enabled UTF8=ACCEPT, else in modified UTF-7."""
    name = parse_text_argument(token)
    return name if session.is_utf8_enabled else decode_modified_utf7(name)


def _list(session: Session, command: Command) -> Iterator[UntaggedResponse | str]:
    mailbox = session.require_logged_in_mailbox()
    arguments = list(command.arguments)
    selection = _list_options(session, arguments, "LIST-EXTENDED")
    if len(arguments) < 2:
        raise BadCommand("LIST needs a reference and a pattern.")
    reference, patterns, *rest = arguments
    returned, items = _return_options(session, rest)
    if not rest and not selection and not isinstance(patterns, list):
        returned = {"CHILDREN", "SPECIAL-USE"}
    if patterns == b"" and not isinstance(patterns, list):
        separator = format_imap_string(mailbox.options.separator)
        yield PrerenderedResponse("LIST", b'LIST (\\Noselect) %b ""' % separator)
        return
    wanted = patterns if isinstance(patterns, list) else [patterns]
    folders = _matching(session, mailbox, reference, wanted)
    if "SPECIAL-USE" in selection:
        folders = [each for each in folders if each.special_use]
    for each in folders:
        yield _listed(session, mailbox, each, "LIST", returned)
        if items and "\\Noselect" not in each.always_listed_attributes:
            yield _status_response(session, mailbox, each, items)


def _matching(
    session: Session,
    mailbox: ImapMailbox,
    reference: ParsedArgument,
    patterns: Iterable[ParsedArgument],
) -> list[ImapFolder]:
    base, separator = parse_folder_name(session, reference), mailbox.options.separator
    wanted = [base + parse_folder_name(session, each) for each in patterns]
    return [
        each
        for each in mailbox.list_folders()
        if any(matches_list_pattern(each.name, pattern, separator) for pattern in wanted)
    ]


def _list_options(session: Session, arguments: list[ParsedArgument], extension: str) -> list[str]:
    """Remove the selection options (a list in front of the reference) from `arguments`; return them
    in capitals. Raises BadCommand if there are options and the server lacks `extension`."""
    if not (arguments and isinstance(arguments[0], list)):
        return []
    session.require_extension(extension)
    return [
        parse_uppercase_text_argument(each)
        for each in parse_list_argument(arguments.pop(0))
        if not isinstance(each, list)
    ]


def _return_options(session: Session, rest: list[ParsedArgument]) -> tuple[set[str], list[str]]:
    """Return the return options of LIST, and the items of the option STATUS. The list of items is
    empty without this option."""
    if not rest:
        return set(), []
    if len(rest) != 2 or parse_uppercase_text_argument(rest[0]) != "RETURN":
        raise BadCommand("Error in IMAP command LIST.")
    options = parse_list_argument(rest[1])
    names, items = set[str](), list[str]()
    for number, option in enumerate(options):
        if isinstance(option, list):
            if not number or options[number - 1] != b"STATUS":
                raise BadCommand("Error in IMAP command LIST.")
            items = _status_items(session, option)
        else:
            names.add(parse_uppercase_text_argument(option))
            session.require_extension(
                _EXTENSION_OF_RETURN.get(
                    parse_uppercase_text_argument(option), parse_uppercase_text_argument(option)
                )
            )
    return names, items


_EXTENSION_OF_RETURN = {
    "STATUS": "LIST-STATUS",
    "CHILDREN": "LIST-EXTENDED",
    "SUBSCRIBED": "LIST-EXTENDED",
}


def _listed(
    session: Session,
    mailbox: ImapMailbox,
    folder: ImapFolder,
    kind: str,
    returned: Collection[str] = (),
) -> PrerenderedResponse:
    attributes = " ".join(folder.list_response_attributes(returned)).encode()
    separator = format_imap_string(mailbox.options.separator)
    line = b"%b (%b) %b %b" % (
        kind.encode(),
        attributes,
        separator,
        session.quote_folder_name(folder.name),
    )
    return PrerenderedResponse(kind, line, folder_name_or_uid_for_faults=folder.name)


def _lsub(session: Session, command: Command) -> Iterator[UntaggedResponse | str]:
    mailbox = session.require_logged_in_mailbox()
    if len(command.arguments) != 2:
        raise BadCommand("LSUB needs a reference and a pattern.")
    reference, pattern = command.arguments
    for each in _matching(session, mailbox, reference, [pattern]):
        yield _listed(session, mailbox, each, "LSUB")


def _status(session: Session, command: Command) -> Iterator[UntaggedResponse | str]:
    mailbox = session.require_logged_in_mailbox()
    if len(command.arguments) != 2:
        raise BadCommand("STATUS needs a mailbox and items.")
    items = _status_items(session, parse_list_argument(command.arguments[1]))
    folder = mailbox.find_folder(parse_folder_name(session, command.arguments[0]))
    yield _status_response(session, mailbox, folder, items)
    yield from session.generate_folder_change_responses(may_expunge=True)


def _status_items(session: Session, tokens: list[ParsedArgument]) -> list[str]:
    items = [parse_uppercase_text_argument(each) for each in tokens]
    for item in items:
        if item in _MORE_STATUS_ITEMS:
            session.require_extension(_MORE_STATUS_ITEMS[item])
        elif item not in _STATUS_ITEMS:
            raise BadCommand(f"Invalid status item {item[:50]}")
    if not items:
        raise BadCommand("STATUS needs items.")
    if "HIGHESTMODSEQ" in items:
        session.enabled_extensions.add("CONDSTORE")
    return items


def _status_response(
    session: Session, mailbox: ImapMailbox, folder: ImapFolder, items: list[str]
) -> FolderStatusResponse:
    with mailbox.transaction():
        state = mailbox.make_folder_reader(folder)
        values: dict[str, int | str] = {}
        for item in items:
            match item:
                case "MESSAGES":
                    values[item] = folder.simulated_folder.total
                case "UNSEEN":
                    values[item] = folder.simulated_folder.unread
                case "RECENT":
                    values[item] = 0
                case "UIDNEXT":
                    values[item] = state.uid_next
                case "UIDVALIDITY":
                    values[item] = state.uid_validity
                case "HIGHESTMODSEQ":
                    values[item] = state.highest_mod_seq
                case _:
                    values[item] = f"({folder_object_id(folder)})"
    return FolderStatusResponse(folder.name, session.quote_folder_name(folder.name), values)


def folder_object_id(folder: ImapFolder) -> str:
    """Return the value of MAILBOXID for a folder (RFC 8474). The value stays when the folder is
    renamed."""
    return f"F{folder.simulated_folder.number}"


def _create(session: Session, command: Command) -> Iterator[UntaggedResponse | str]:
    name = _names(session, command, 1)[0]
    session.require_logged_in_mailbox().create_folder(name)
    yield from session.generate_folder_change_responses(may_expunge=True)


def _delete(session: Session, command: Command) -> Iterator[UntaggedResponse | str]:
    name = _names(session, command, 1)[0]
    mailbox = session.require_logged_in_mailbox()
    mailbox.delete_folder(name)
    if (
        session.selected
        and not mailbox.make_folder_reader(session.selected.folder).is_folder_present
    ):
        session.selected = None
    yield from session.generate_folder_change_responses(may_expunge=True)


def _rename(session: Session, command: Command) -> Iterator[UntaggedResponse | str]:
    session.require_logged_in_mailbox().rename_folder(*_names(session, command, 2))
    yield from session.generate_folder_change_responses(may_expunge=True)


def _subscribe(session: Session, command: Command) -> Iterator[UntaggedResponse | str]:
    session.require_logged_in_mailbox().find_folder(_names(session, command, 1)[0])
    yield from session.generate_folder_change_responses(may_expunge=True)


def _names(session: Session, command: Command, count: int) -> list[str]:
    session.require_logged_in_mailbox()
    if len(command.arguments) != count:
        raise BadCommand(f"{command.verb} needs {count} mailbox names.")
    return [parse_folder_name(session, each) for each in command.arguments]


def _append(session: Session, command: Command) -> Iterator[UntaggedResponse | str]:
    mailbox = session.require_logged_in_mailbox()
    if not 2 <= len(command.arguments) <= 4:
        raise BadCommand("APPEND needs a mailbox and a message.")
    name, *options, message = command.arguments
    if isinstance(message, Atom | list):
        raise BadCommand("APPEND needs a literal.")
    flags = frozenset[str]()
    if options and isinstance(options[0], list):
        flags = frozenset(
            canonical_flag(parse_text_argument(each))
            for each in parse_list_argument(options.pop(0))
        )
    received_at = _date_time(parse_text_argument(options[0])) if options else datetime.now(UTC)
    folder = mailbox.find_folder(parse_folder_name(session, name), code="TRYCREATE")
    uid = mailbox.append_message(folder, message, flags - {"\\Recent"}, received_at)
    yield from session.generate_folder_change_responses(may_expunge=True)
    if session.options.has_extension("UIDPLUS"):
        uid_validity = mailbox.make_folder_reader(folder).uid_validity
        yield f"[APPENDUID {uid_validity} {uid}] Append completed."


def _date_time(text: str) -> datetime:
    try:
        return datetime.strptime(text.strip(), _DATE_TIME).astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadCommand("Invalid date-time.") from None


FOLDER_COMMAND_HANDLERS: dict[str, CommandHandler] = {
    "LIST": _list,
    "LSUB": _lsub,
    "STATUS": _status,
    "CREATE": _create,
    "DELETE": _delete,
    "RENAME": _rename,
    "SUBSCRIBE": _subscribe,
    "UNSUBSCRIBE": _subscribe,
    "APPEND": _append,
}
