"""Offer actions of the control API `/_sim/` that only the IMAP server has."""

from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

from localdev.simulators.imap.options import ALL_EXTENSIONS
from localdev.simulators.imap.server import ImapServer

JsonObject = dict[str, Any]


def build_imap_control_api_actions(
    server: ImapServer,
) -> dict[tuple[str, str], Callable[[JsonObject], Any]]:
    """Return the actions by method and name: read and clear the commands that the server received,
    and set the options of new connections."""
    return {
        ("GET", "imap-commands"): lambda _: server.commands_as_json(),
        ("DELETE", "imap-commands"): lambda _: server.commands.clear(),
        ("POST", "imap-options"): lambda fields: _set_options(server, **fields),
    }


def _set_options(
    server: ImapServer,
    *,
    mailbox: str | None = None,
    without: list[str] | None = None,
    **fields: Any,
) -> JsonObject:
    """Change options of the server; return all options as JSON.

    mailbox: address of the mailbox whose options change. None: the options of all mailboxes without
        options of their own.
    without: the extensions that the server shall not offer; it then offers all others. None: the
        extensions do not change.
    fields: new values of `prefix` and `separator`.
    """
    owner = server.service.find_mailbox(mailbox) if mailbox else None
    options = server.options_for_mailbox(owner)
    if without is not None:
        unknown = {*without} - {*ALL_EXTENSIONS}
        if unknown:
            raise ValueError(f"no such extensions: {sorted(unknown)}")
        offered = tuple(each for each in ALL_EXTENSIONS if each not in without)
        options = replace(options, extensions=offered)
    options = replace(options, **fields)
    if owner:
        server.options_by_user_id[owner.user_id] = options
    else:
        server.current_options = options
    return asdict(options)
