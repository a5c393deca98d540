"""Map Outlook's well-known folder names to roles (Microsoft Graph docs, mailFolder resource)."""

from localdev.simulators.folders import PURGED, RETAINED
from localdev.simulators.mailbox import Mailbox

ROOT_FOLDER_WELL_KNOWN_NAME = "msgfolderroot"
ROLE_BY_WELL_KNOWN_NAME = {
    "inbox": "inbox",
    "drafts": "drafts",
    "sentitems": "sent",
    "deleteditems": "trash",
    "archive": "archive",
    "junkemail": "junk",
    "outbox": "outbox",
    "recoverableitemsdeletions": RETAINED,
    "recoverableitemspurges": PURGED,
}
"""Role of the folder in the simulated mailbox, by Outlook's well-known name."""
WELL_KNOWN_NAME_BY_ROLE = {role: name for name, role in ROLE_BY_WELL_KNOWN_NAME.items()}
WELL_KNOWN_FOLDER_NAMES = frozenset(ROLE_BY_WELL_KNOWN_NAME) | {
    *("clutter", "conflicts", "conversationhistory", "localfailures", "scheduled"),
    *("searchfolders", "serverfailures", "syncissues", ROOT_FOLDER_WELL_KNOWN_NAME),
}
"""All well-known names. Not every mailbox has a folder for each."""
CONVERSATION_HISTORY_DISPLAY_NAME = "Conversation History"


def add_conversation_history_folder(mailbox: Mailbox) -> None:
    """Create Outlook's hidden folder Conversation History, for which no role exists."""
    number = mailbox.create_folder(CONVERSATION_HISTORY_DISPLAY_NAME, hidden=True)
    mailbox.database.execute_write(
        "INSERT INTO outlook_folder VALUES (?, ?)", number, "conversationhistory"
    )
