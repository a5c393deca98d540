"""Google's own client reads the simulated Gmail, and finds what is in the mailbox."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from googleapiclient.errors import HttpError

from localdev.mail.generate import generate_mail_items
from localdev.simulators.folders import ORDINARY_FOLDER_ROLE
from localdev.simulators.gmail.labels import LABEL_ID_BY_ROLE
from localdev.simulators.mailbox import Mailbox
from localdev.simulators.message import Message
from tests.providers.simulators.gmail.client import GmailClient, JsonObject
from tests.providers.simulators.gmail.google_client import all_pages, fetch_batched, google_client
from tests.support.mail import a_mail

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@pytest.fixture
def google(gmail: GmailClient) -> Iterator[Any]:
    with google_client(gmail) as google:
        yield google


def expected_labels(mailbox: Mailbox, message: Message) -> set[str]:
    """The labels of a message, from its folders and flags alone. One folder is only Outlook's."""
    folders = {each.number: each for each in mailbox.folders.list_all_folders()}
    folders = {n: each for n, each in folders.items() if each.name != "Conversation History"}
    numbers = (each.folder_number for each in message.placements)
    placed = [folders[each] for each in numbers if each in folders]
    flags = {
        "UNREAD": not message.mail_item.is_read,
        "STARRED": message.mail_item.is_flagged,
        "IMPORTANT": message.mail_item.importance == "high",
    }
    labels = {
        f"Label_{each.number}"
        if each.role == ORDINARY_FOLDER_ROLE
        else LABEL_ID_BY_ROLE.get(each.role)
        for each in placed
    } - {None}
    return {*filter(None, labels)} | {each for each, is_set in flags.items() if is_set}


def described(mailbox: Mailbox, message: Message) -> tuple[frozenset[str], str]:
    milliseconds = (message.mail_item.received_at - _EPOCH) // timedelta(milliseconds=1)
    return frozenset(expected_labels(mailbox, message)), str(milliseconds)


def test_a_thousand_messages_are_those_of_the_mailbox(gmail: GmailClient, google: Any) -> None:
    mailbox = gmail.mailbox
    mailbox.import_mail_items(generate_mail_items(1_000, owner=mailbox.address, seed=7))
    messages = google.users().messages()

    listed = all_pages(messages, "messages", maxResults=300, includeSpamTrash=True)
    requests = {each["id"]: messages.get(userId="me", id=each["id"]) for each in listed}
    found = fetch_batched(google, requests)

    owned = {each.id: each for each in gmail.owner.gmail.list_every_message_newest_first()}
    assert len(owned) == len(listed) == 1_000
    numbers = {each.message_number: each_id for each_id, each in owned.items()}
    kept = {
        numbers[each.message_number]: each
        for each in mailbox.find_messages_by_number(list(numbers))
    }
    assert {each["id"]: each["threadId"] for each in listed} == {
        each: found[each]["threadId"] for each in found
    }
    seen = {
        each: (frozenset(answer.get("labelIds", ())), answer["internalDate"])
        for each, answer in found.items()
    }
    assert seen == {each: described(mailbox, message) for each, message in kept.items()}
    assert threads_of(found) == {frozenset(each) for each in by_thread(kept).values()}


def by_thread(kept: dict[str, Message]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for each, message in kept.items():
        found.setdefault(message.thread_key, set()).add(each)
    return found


def threads_of(answers: dict[str, JsonObject]) -> set[frozenset[str]]:
    found: dict[str, set[str]] = {}
    for each, answer in answers.items():
        found.setdefault(answer["threadId"], set()).add(each)
    return {frozenset(each) for each in found.values()}


def test_history_profile_labels_and_watches_are_as_google_describes_them(
    gmail: GmailClient, google: Any
) -> None:
    users = google.users()
    start = users.getProfile(userId="me").execute()["historyId"]
    label = gmail.owner.create_label("work")
    message = gmail.owner.deliver_message(a_mail("one"), ["INBOX", label])
    gmail.owner.trash_message(message)
    gmail.owner.erase_message(message)

    records = all_pages(users.history(), "history", startHistoryId=start, maxResults=1)

    assert [each["messagesAdded"][0]["message"]["id"] for each in records[:1]] == [message]
    assert records[-1]["messagesDeleted"][0]["message"]["id"] == message
    labels = users.labels().list(userId="me").execute()["labels"]
    details = [users.labels().get(userId="me", id=each["id"]).execute() for each in labels]
    assert [each["name"] for each in details if each["id"] == label] == ["work"]
    body = {"topicName": "projects/mail/topics/gmail", "labelIds": ["INBOX"]}
    watch = users.watch(userId="me", body=body).execute()
    assert int(watch["historyId"]) >= int(start)
    assert users.stop(userId="me").execute() == ""


@pytest.mark.parametrize("resource", ["messages", "threads"])
def test_google_s_client_understands_refusals(google: Any, resource: str) -> None:
    reading: Any = getattr(google.users(), resource)()

    with pytest.raises(HttpError) as caught:
        reading.get(userId="me", id="1900000000ffffff").execute()

    assert caught.value.status_code == 404
    assert caught.value.reason == "Requested entity was not found."
