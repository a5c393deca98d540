"""The control API `/_sim/` acts as the owner of a Gmail mailbox, by Gmail's ids."""

from typing import Any

import pytest

from localdev.simulators import Simulators
from localdev.simulators.gmail.tokens import METADATA_SCOPE
from tests.providers.simulators.gmail.client import WITH_TRASH, GmailClient
from tests.providers.simulators.test_faults import control
from tests.support.mail import a_mail


class Actions:
    """Sends actions on one mailbox."""

    def __init__(self, simulators: Simulators, gmail: GmailClient) -> None:
        self._simulators, self._address = simulators, gmail.mailbox.address

    def __call__(self, action: str, **fields: Any) -> Any:
        given = {"mailbox": self._address, **fields}
        response = control(self._simulators, "POST", action, **given)
        assert response.status_code == 200, response.text
        document = response.json()
        return document.get("id", document)


@pytest.fixture
def act(simulators: Simulators, gmail: GmailClient) -> Actions:
    return Actions(simulators, gmail)


def labels(gmail: GmailClient, message: str) -> set[str]:
    return {*gmail.get(f"messages/{message}", format="minimal").get("labelIds", ())}


def test_messages_are_marked_moved_and_deleted(act: Actions, gmail: GmailClient) -> None:
    one = act("gmail-deliver", subject="one")
    two = act("gmail-deliver", subject="two", labels=["SENT", "INBOX"], is_read=True)
    assert labels(gmail, two) == {"SENT", "INBOX"}
    act("gmail-mark-read", id=one)
    act("gmail-star", id=one)
    act("gmail-mark-important", id=one)
    act("gmail-archive", id=one)
    assert labels(gmail, one) == {"STARRED", "IMPORTANT"}
    act("gmail-spam", id=two)
    assert labels(gmail, two) == {"SENT", "SPAM"}
    act("gmail-unspam", id=two)
    act("gmail-trash", id=two)
    assert labels(gmail, two) == {"SENT", "TRASH"}
    act("gmail-untrash", id=two)
    assert labels(gmail, two) == {"SENT"}
    act("gmail-delete-for-good", id=one)
    act("gmail-trash", id=two)
    assert act("gmail-empty-trash") == {"deleted": 1}
    assert gmail.listed(**WITH_TRASH) == []


def test_labels_are_created_nested_renamed_given_and_deleted(
    act: Actions, gmail: GmailClient
) -> None:
    one = act("gmail-deliver", subject="one", labels=["STARRED", "IMPORTANT"], is_read=True)
    assert labels(gmail, one) == {"STARRED", "IMPORTANT"}
    work = act("gmail-create-label", name="work")
    top = act("gmail-create-label", name="top")
    act("gmail-nest-label", label=work, parent=top)
    act("gmail-rename-label", label=top, name="up")
    assert gmail.get(f"labels/{work}")["name"] == "up/work"
    act("gmail-modify", id=one, add=[work], remove=["STARRED"])
    assert labels(gmail, one) == {"IMPORTANT", work}
    assert act("gmail-modify-all", labels=[work], add=["INBOX"]) == {"changed": 1}
    act("gmail-delete-label", label=work)
    act("gmail-add-unknown-label", id=one, label="Label_777")
    assert labels(gmail, one) == {"IMPORTANT", "INBOX", "Label_777"}


def test_drafts_are_edited_and_sent_and_chats_are_stored(act: Actions, gmail: GmailClient) -> None:
    draft = act("gmail-deliver", subject="draft", labels=["DRAFT"], is_draft=True)
    edited = act("gmail-edit-draft", id=draft, subject="edited")
    sent = act("gmail-send-draft", id=edited)
    chat = act("gmail-chat", text="hello")
    assert {*gmail.listed(**WITH_TRASH)} == {sent, chat}
    assert (labels(gmail, sent), labels(gmail, chat)) == ({"SENT", "UNREAD"}, {"CHAT"})


def test_the_history_lags_and_tokens_watches_and_pushes_are_made(
    act: Actions, gmail: GmailClient
) -> None:
    two = act("gmail-deliver", subject="two")
    start = gmail.history_id()
    act("gmail-hold-history", seconds=60)
    act("gmail-star", id=two)
    assert gmail.records(start) == []
    gmail.token = act("gmail-token", scopes=[METADATA_SCOPE])["token"]
    assert gmail.error(f"messages/{two}", format="raw")[0] == 403
    act("gmail-expire-watch")
    assert act("gmail-push", history=7) == {"status": 200}


def test_the_switches_and_the_quota_are_read_and_set(
    simulators: Simulators, gmail: GmailClient
) -> None:
    assert control(simulators, "POST", "gmail-switches", largest_page=2).status_code == 200
    for each in range(3):
        gmail.owner.deliver_message(a_mail(str(each)))
    gmail.get("messages")

    assert control(simulators, "GET", "gmail-switches").json()["largest_page"] == 2
    assert len(gmail.get("messages", maxResults=500)["messages"]) == 2
    assert control(simulators, "GET", "gmail-quota").json()["totalUnits"] == 10
    control(simulators, "DELETE", "gmail-quota")
    assert control(simulators, "GET", "gmail-quota").json()["totalUnits"] == 0
    refused = control(simulators, "POST", "gmail-switches", no_switch=1)
    assert (refused.status_code, refused.json()["error"]) == (400, "TypeError")


def test_actions_of_all_providers_take_the_ids_of_gmail(act: Actions, gmail: GmailClient) -> None:
    message = gmail.owner.deliver_message(a_mail("one"))
    label = gmail.owner.create_label("work")

    act("mark-read", id=message)
    act("move", id=message, destination=label)

    assert labels(gmail, message) == {label}
    act("delete", id=message)
    assert labels(gmail, message) == {"TRASH"}
