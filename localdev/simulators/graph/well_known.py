"""Outlook's well-known folder names (Microsoft Graph docs, mailFolder resource)."""

from localdev.simulators.folders import PURGED, RETAINED
from localdev.simulators.mailbox import Mailbox

ROOT = "msgfolderroot"
ROLES = {
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
"""Roles of the neutral mailbox by well-known name."""
NAMES = {role: name for name, role in ROLES.items()}
CONVERSATION_HISTORY = "Conversation History"


def create_conversation_history(mailbox: Mailbox) -> None:
    """Create the hidden folder that Outlook's mailboxes have beside those with roles."""
    number = mailbox.create_folder(CONVERSATION_HISTORY, hidden=True)
    mailbox.database.execute_write(
        "INSERT INTO outlook_folder VALUES (?, ?)", number, "conversationhistory"
    )
