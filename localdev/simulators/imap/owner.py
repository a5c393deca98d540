"""Find folders and messages of a simulated mailbox by IMAP's ids, for the control API `/_sim/`.

The id of a folder is its name. The id of a message is `FOLDER:UIDVALIDITY:UID`. Mailsync uses the
same ids. A folder's name may be in modified UTF-7, as a server sends it, or in plain text.
"""

import re

from localdev.mail.modified_utf7 import decode_modified_utf7
from localdev.simulators.imap.names import ImapFolder, capitalize_inbox
from localdev.simulators.imap.store import ImapMailbox

_MESSAGE = re.compile(r"(.+):([0-9]{1,20}):([0-9]{1,20})", re.DOTALL)


def find_folder_number(mailbox: ImapMailbox, name: str) -> int | None:
    """Return the number that the folder with this name has in the simulated mailbox. Return None if
    the mailbox has no such folder."""
    folder = _find(mailbox, name)
    return folder.simulated_folder.number if folder else None


def find_message_number_by_mailsync_id(mailbox: ImapMailbox, place: str) -> int | None:
    """Return the number that the message with the id `place` has in the simulated mailbox. Return
    None if no message has this id now."""
    match = _MESSAGE.fullmatch(place)
    folder = _find(mailbox, match[1]) if match else None
    if not (match and folder):
        return None
    state = mailbox.make_folder_reader(folder)
    if state.uid_validity != int(match[2]):
        return None
    uid = int(match[3])
    return next((each.message_number for each in state.list_messages() if each.uid == uid), None)


def _find(mailbox: ImapMailbox, name: str) -> ImapFolder | None:
    """Return the folder with this name, or None. Mailsync decodes the bytes of a folder name as
    Latin-1, so the function also looks for the name that these bytes mean in UTF-8."""
    wanted = {name, decode_modified_utf7(name), _as_utf8(name)}
    wanted = {capitalize_inbox(each, mailbox.options.separator) for each in wanted}
    return next((each for each in mailbox.list_folders() if each.name in wanted), None)


def _as_utf8(name: str) -> str:
    try:
        return name.encode("latin-1").decode()
    except ValueError:
        return name
