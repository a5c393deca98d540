"""The simulated mailbox and the tables, brought to one form and compared by tests."""

from datetime import datetime
from typing import Any

from localdev.demo_account import simulator
from localdev.simulators.message import text_to_html
from tests.local.stack.conftest import Mirror

Mail = dict[str, dict[str, Any]]

STORED = """
SELECT m.message_id, f.remote_id, m.subject, m.internet_message_id, m.conversation_id,
       m.from_address, m.to_recipients, m.cc_recipients, m.snippet, m.is_read, m.is_draft,
       m.is_flagged, m.has_attachments, m.importance, m.categories, m.received_at, m.sent_at,
       b.html
  FROM mailsync.emails m
  JOIN mailsync.email_folders f ON f.id = m.folder_id
  LEFT JOIN mailsync.email_bodies b ON b.email_id = m.id
 WHERE m.removed_at IS NULL"""
FIELDS = (
    *("folder", "subject", "internet_message_id", "conversation_id", "from_address", "to", "cc"),
    *("snippet", "is_read", "is_draft", "is_flagged", "has_attachments", "importance"),
    *("categories", "received_at", "sent_at", "html"),
)


def stored(mirror: Mirror) -> Mail:
    return {
        message_id: dict(zip(FIELDS, values, strict=True))
        for message_id, *values in mirror.rows(STORED)
    }


def in_mailbox(mirror: Mirror) -> Mail:
    provider, address = mirror.stack.provider, mirror.account.address
    state = simulator(provider, "GET", "state")["mailboxes"][0]
    return {
        each["immutable_id"]: _as_stored(each)
        for folder in state["folders"]
        for each in simulator(provider, "GET", f"messages?mailbox={address}&folder={folder['id']}")
    }


def _as_stored(message: dict[str, Any]) -> dict[str, Any]:
    properties = message["properties"]
    is_text = message["body_type"] == "text"
    return {
        "folder": message["folder_id"],
        "subject": properties["subject"],
        "internet_message_id": properties["internetMessageId"],
        "conversation_id": properties["conversationId"],
        "from_address": properties.get("from", {}).get("emailAddress", {}).get("address"),
        "to": [each["emailAddress"] for each in properties["toRecipients"]],
        "cc": [each["emailAddress"] for each in properties["ccRecipients"]],
        "snippet": properties["bodyPreview"],
        "is_read": message["is_read"],
        "is_draft": properties["isDraft"],
        "is_flagged": properties["flag"]["flagStatus"] == "flagged",
        "has_attachments": properties["hasAttachments"],
        "importance": properties["importance"],
        "categories": properties["categories"],
        "received_at": datetime.fromisoformat(message["received_at"]),
        "sent_at": datetime.fromisoformat(properties["sentDateTime"]),
        "html": text_to_html(message["body"]) if is_text else message["body"],
    }
