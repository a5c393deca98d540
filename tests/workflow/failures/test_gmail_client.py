"""The rows of a Gmail mailbox are what Google's own client reads of it."""

import os
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from localdev.mail.generate import generate_mail_items
from localdev.mail.item import MailItem
from localdev.mail.load import load_mail_lazily
from tests.providers.simulators.gmail.client import GmailClient
from tests.providers.simulators.gmail.google_client import all_pages, fetch_batched, google_client
from tests.workflow.failures.gmail_world import GmailWorld

MESSAGES = 1_000
ROWS = """
SELECT m.message_id, json_build_object(
         'threadId', m.conversation_id,
         'internalDate', (extract(epoch FROM m.received_at) * 1000)::bigint::text,
         'unread', NOT m.is_read, 'starred', m.is_flagged, 'importance', m.importance,
         'draft', m.is_draft,
         'folders', (SELECT json_agg(f.remote_id ORDER BY f.remote_id COLLATE "C")
                       FROM mailsync.email_placements p
                       JOIN mailsync.email_folders f ON f.id = p.folder_id
                      WHERE p.email_id = m.id))
  FROM mailsync.emails m WHERE m.removed_at IS NULL"""
FLAGS = {"UNREAD", "STARRED", "IMPORTANT"}


def mail(owner: str) -> Iterator[MailItem]:
    """The messages of the mbox file that MBOX in the environment names; else generated ones."""
    if path := os.environ.get("MBOX"):
        return load_mail_lazily(Path(path), keeps_originals=True).items
    return generate_mail_items(MESSAGES, owner=owner, seed=7)


def label(gmail: GmailWorld) -> None:
    """Every seventh message is archived, important, in the trash or under two labels."""
    owner = gmail.owner
    labels = [owner.create_label("One"), owner.create_label("One/Two")]
    for number, each in enumerate(owner.gmail.list_every_message_newest_first()[::7]):
        added = (labels, ["TRASH"], ["SPAM"], ["IMPORTANT", "STARRED"], ["CATEGORY_SOCIAL"])
        owner.change_labels(
            each.id, add=added[number % 5], remove=["INBOX"] if number % 3 == 0 else []
        )


def as_row(message: dict[str, Any]) -> dict[str, Any]:
    """The row of a message, from the answer of Google's client alone."""
    labels = {*message.get("labelIds", ())}
    folders = labels - FLAGS | (set() if labels & {"TRASH", "SPAM"} else {"ALL_MAIL"})
    return {
        "threadId": message["threadId"],
        "internalDate": message["internalDate"],
        "unread": "UNREAD" in labels,
        "starred": "STARRED" in labels,
        "importance": "high" if "IMPORTANT" in labels else "normal",
        "draft": "DRAFT" in labels,
        "folders": sorted(folders),
    }


def read_all(gmail: GmailWorld) -> Iterable[dict[str, Any]]:
    with google_client(GmailClient(gmail.simulators, gmail.remote)) as google:
        messages = google.users().messages()
        listed = all_pages(messages, "messages", maxResults=500, includeSpamTrash=True)
        requests = {
            each["id"]: messages.get(userId="me", id=each["id"], format="minimal")
            for each in listed
        }
        return fetch_batched(google, requests).values()


def test_a_thousand_messages_have_the_ids_threads_labels_and_dates_that_google_s_client_reads(
    gmail: GmailWorld,
) -> None:
    gmail.remote.import_mail_items(islice(mail(gmail.remote.address), MESSAGES))
    label(gmail)

    assert gmail.sync() == "completed"

    read = {each["id"]: as_row(each) for each in read_all(gmail)}
    assert dict(gmail.rows(ROWS)) == read
    assert len(read) == MESSAGES
