"""The simulated mailbox and the tables in one form, so that they can be compared."""

from datetime import datetime
from typing import Any

from localdev.simulators.mailbox import StoredMessage
from localdev.simulators.message import text_to_html
from tests.workflow.failures.world import World

Mail = dict[str, dict[str, Any]]
FIELDS = ("folder", "subject", "sender", "to", "is_read", "is_flagged", "received_at", "html")
STORED = """
SELECT m.message_id, f.remote_id, m.subject, m.from_address, jsonb_array_length(m.to_recipients),
       m.is_read, m.is_flagged, m.received_at, b.html
  FROM mailsync.emails m
  JOIN mailsync.email_folders f ON f.id = m.folder_id
  LEFT JOIN mailsync.email_bodies b ON b.email_id = m.id
 WHERE m.removed_at IS NULL"""


def stored(world: World) -> Mail:
    return {
        message_id: dict(zip(FIELDS, values, strict=True))
        for message_id, *values in world.rows(STORED)
    }


def in_mailbox(world: World) -> Mail:
    return {
        each.immutable_id: _as_stored(each)
        for folder in world.remote.folders.all()
        for each in world.remote.messages(folder.id)
    }


def is_mirrored(world: World) -> bool:
    """Shows the difference when it is asserted."""
    assert stored(world) == in_mailbox(world)
    return True


def _as_stored(message: StoredMessage) -> dict[str, Any]:
    shown = message.properties
    html = text_to_html(message.body) if message.body_type == "text" else message.body
    return {
        "folder": message.folder_id,
        "subject": shown["subject"],
        "sender": shown.get("from", {}).get("emailAddress", {}).get("address"),
        "to": len(shown["toRecipients"]),
        "is_read": message.is_read,
        "is_flagged": shown["flag"]["flagStatus"] == "flagged",
        "received_at": datetime.fromisoformat(message.received_at),
        "html": html,
    }
