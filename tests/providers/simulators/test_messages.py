"""Messages and folders as Graph serves them, and their wire shapes."""

import httpx
import pytest

from localdev.mail.item import Address
from localdev.simulators import Simulators
from localdev.simulators.mailbox import Mailbox, MessageAlreadyPurged
from tests.providers.simulators.graph_client import a_mail, error_of, graph_client


def test_a_message_has_every_documented_property(graph: httpx.Client, mailbox: Mailbox) -> None:
    message_id = mailbox.deliver(
        a_mail(
            "Grüße 🎉",
            to=(Address("", "ada@example.com"),),
            categories=("Travel",),
            is_flagged=True,
        )
    )

    message = graph.get(f"/me/messages/{message_id}").json()

    assert message["@odata.etag"] == f'W/"{message["changeKey"]}"'
    assert message["receivedDateTime"] == "2026-05-01T12:00:00Z"
    assert message["toRecipients"][0]["emailAddress"]["address"] == "ada@example.com"
    assert (message["subject"], message["categories"]) == ("Grüße 🎉", ["Travel"])
    assert message["flag"] == {"flagStatus": "flagged"}


def test_a_draft_has_no_sender_at_all(graph: httpx.Client, mailbox: Mailbox) -> None:
    draft = mailbox.deliver(a_mail(sender=None, is_draft=True), "drafts")

    assert not {"from", "sender"} & graph.get(f"/me/messages/{draft}").json().keys()


@pytest.mark.parametrize(("kind", "content"), [("text", "1 < 2"), ("html", "<p>1 &lt; 2</p>")])
def test_bodies_come_as_html(
    graph: httpx.Client, mailbox: Mailbox, kind: str, content: str
) -> None:
    url = f"/me/messages/{mailbox.deliver(a_mail(body=content, body_type=kind))}"

    body = graph.get(url).json()["body"]

    assert body["contentType"] == "html"
    assert "1 &lt; 2" in body["content"]


def test_lists_are_paged_ordered_and_counted(graph: httpx.Client, mailbox: Mailbox) -> None:
    ids = [mailbox.deliver(a_mail(minutes=minute)) for minute in range(5)]
    url = "/me/mailFolders/inbox/messages?$top=3&$count=true&$orderby=receivedDateTime desc"

    first = graph.get(url).json()
    second = graph.get(first["@odata.nextLink"]).json()

    assert first["@odata.count"] == 5
    assert [each["id"] for each in first["value"] + second["value"]] == ids[::-1]
    assert "@odata.nextLink" not in second


def test_folder_lists_show_one_level_without_what_is_hidden(
    graph: httpx.Client, mailbox: Mailbox
) -> None:
    parent = mailbox.folders.create("Projects")
    child = mailbox.folders.create("Reports", parent=parent.id)

    listed = graph.get("/me/mailFolders?$top=100").json()["value"]
    hidden = graph.get("/me/mailFolders?$top=100&includeHiddenFolders=true").json()["value"]
    nested = graph.get(f"/me/mailFolders('{parent.id}')/childFolders").json()["value"]

    assert child.id not in {each["id"] for each in listed}
    assert [each["id"] for each in nested] == [child.id]
    assert {each["displayName"] for each in hidden} - {each["displayName"] for each in listed} == {
        "Conversation History"
    }


def test_counts_are_exact_after_every_kind_of_change(graph: httpx.Client, mailbox: Mailbox) -> None:
    first, second, third = (mailbox.deliver(a_mail(minutes=minute)) for minute in range(3))
    mailbox.update(first, isRead=True)
    mailbox.move(second, "archive")
    mailbox.copy(third, "archive")
    mailbox.purge(third)

    counts = {
        alias: (folder["totalItemCount"], folder["unreadItemCount"])
        for alias in ("inbox", "archive")
        for folder in [graph.get(f"/me/mailFolders/{alias}").json()]
    }

    assert counts == {"inbox": (1, 0), "archive": (2, 2)}


def test_deleting_moves_first_and_purged_mail_is_readable_by_id_only(
    graph: httpx.Client, mailbox: Mailbox
) -> None:
    message_id = mailbox.deliver(a_mail())
    url = f"/me/messages/{message_id}"

    mailbox.delete(message_id)
    assert graph.get(url).json()["parentFolderId"] == mailbox.folders.find("deleteditems").id
    mailbox.delete_permanently(message_id)
    assert graph.get(url).status_code == 200
    assert graph.get("/me/messages").json()["value"] == []
    with pytest.raises(MessageAlreadyPurged):
        mailbox.delete_permanently(message_id)


@pytest.mark.parametrize(
    ("bearer", "sentence"),
    [
        ("", "Access token is empty."),
        ("garbage", "IDX14100: JWT is not well formed, there are no dots (.)."),
        ("a.b.c", "Invalid access token: its signature could not be validated."),
    ],
)
def test_a_bad_token_is_answered_with_401(
    simulators: Simulators, bearer: str, sentence: str
) -> None:
    headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}

    refused = httpx.get(f"{simulators.graph_url}/me", headers=headers)

    assert error_of(refused) == (401, "InvalidAuthenticationToken")
    assert refused.json()["error"]["message"] == sentence


def test_an_expired_token_and_a_foreign_mailbox_are_refused(
    simulators: Simulators, graph: httpx.Client, mailbox: Mailbox
) -> None:
    other = simulators.add_mailbox("grace@example.com")
    stale = {"Authorization": f"Bearer {simulators.access_token(mailbox, lifetime_s=-1)}"}

    assert error_of(graph.get("/me", headers=stale)) == (401, "InvalidAuthenticationToken")
    foreign = graph.get(f"/users/{other.address}/mailFolders/inbox")
    assert error_of(foreign) == (403, "ErrorAccessDenied")


def test_every_answer_carries_the_ids_of_the_request(
    simulators: Simulators, mailbox: Mailbox
) -> None:
    with graph_client(simulators, mailbox, **{"client-request-id": "mine"}) as graph:
        refused = graph.get("/me/messages/AAMk404")

    assert refused.headers["client-request-id"] == "mine"
    inner = refused.json()["error"]["innerError"]
    assert inner["request-id"] == refused.headers["request-id"]
