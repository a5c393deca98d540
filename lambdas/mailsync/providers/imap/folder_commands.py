"""Request the list of folders and their STATUS values from a server, in few round trips."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mailsync.errors import ProviderRejected
from mailsync.providers.imap.listing import (
    FolderList,
    Namespaces,
    parse_namespaces,
    parse_status_line,
    to_folder_list,
)
from mailsync.providers.imap.wire import quote_string

if TYPE_CHECKING:
    from mailsync.providers.imap.connection import ImapConnection

MAX_PIPELINED_COMMANDS = 20
"""The maximum number of commands that are sent before the response to the first one is read."""
UNSENDABLE_FOLDER_NAME_ERROR_TEXT = "The name of a folder has characters that cannot be sent."
_UNSENDABLE = re.compile(rb"[\r\n\0]")


def list_folders(connection: "ImapConnection") -> FolderList:
    """List all folders. The result has the STATUS values of a folder if the server sends them with
    the list.

    Raises:
        ProviderRejected: the server rejects LIST.
    """
    options = ["SPECIAL-USE"] if "SPECIAL-USE" in connection.capabilities else []
    if "LIST-STATUS" in connection.capabilities:
        options.append(f"STATUS {_status_items(connection)}")
    plain: tuple[str | bytes, ...] = ("LIST", '""', '"*"')
    others = [("NAMESPACE",)] if "NAMESPACE" in connection.capabilities else []
    extended = (*plain, f"RETURN ({' '.join(options)})") if options else plain
    refusals, responses = connection.run_pipelined_commands([extended, *others])
    if refusals[0] and options:  # Zoho rejects an option that it advertises
        refusals, responses = connection.run_pipelined_commands([plain, *others])
    if refusals[0]:
        raise ProviderRejected(f"The mail server rejects the command LIST: {refusals[0]}")
    namespaces = [
        parse_namespaces(each) for each in inline_response_literals(responses.get("NAMESPACE", []))
    ]
    return to_folder_list(
        inline_response_literals(responses.get("LIST", [])),
        inline_response_literals(responses.get("STATUS", [])),
        namespaces[-1] if namespaces else Namespaces(),
    )


def read_folder_statuses(
    connection: "ImapConnection", folders: Sequence[bytes]
) -> dict[bytes, Mapping[str, int] | str]:
    """Request the STATUS values of folders (such as MESSAGES and UIDNEXT); return them by folder
    name. If the server refuses the STATUS of a folder, or the folder's name cannot be sent, the
    value is a text with the reason."""
    found: dict[bytes, Mapping[str, int] | str] = {}
    items = _status_items(connection)
    found |= {
        each: UNSENDABLE_FOLDER_NAME_ERROR_TEXT for each in folders if _UNSENDABLE.search(each)
    }
    sendable = [each for each in folders if each not in found]
    for start in range(0, len(sendable), MAX_PIPELINED_COMMANDS):
        names = sendable[start : start + MAX_PIPELINED_COMMANDS]
        commands = [("STATUS", quote_folder_name(each), items) for each in names]
        refusals, responses = connection.run_pipelined_commands(commands)
        numbers = dict(
            map(parse_status_line, inline_response_literals(responses.get("STATUS", [])))
        )
        for name, refusal in zip(names, refusals, strict=True):
            found[name] = refusal if refusal is not None else numbers.get(name, {})
    return found


def quote_folder_name(name: bytes) -> bytes:
    """Return a folder's name as a quoted argument of a command.

    Raises:
        ProviderRejected: the name has line ends, which would begin another command.
    """
    if _UNSENDABLE.search(name):
        raise ProviderRejected(UNSENDABLE_FOLDER_NAME_ERROR_TEXT)
    return quote_string(name)


def inline_response_literals(responses: Iterable[Any]) -> Iterator[bytes]:
    """Yield untagged responses as single texts: each literal, which imaplib keeps apart from the
    rest of its response, is put back in its place as a quoted string."""
    line = b""
    for each in responses:
        if isinstance(each, tuple):
            line += re.sub(rb"\{\d+\+?\}$", b"", each[0]) + quote_string(each[1])
        elif each is not None:
            yield line + each
            line = b""


def _status_items(connection: "ImapConnection") -> str:
    mod_seq = " HIGHESTMODSEQ" if "CONDSTORE" in connection.capabilities else ""
    return f"(MESSAGES UNSEEN UIDNEXT UIDVALIDITY{mod_seq})"
