"""Messages and folders as Graph serves them, and their wire shapes."""

import time
from types import SimpleNamespace
from urllib.parse import quote

import httpx
import pytest

from localdev.simulators import Simulators
from localdev.simulators.entra import tokens
from localdev.simulators.entra.tokens import OUTLOOK_AUDIENCE, AccessTokenRefusedError
from localdev.simulators.mailbox import Mailbox, MessageAlreadyPurged
from tests.providers.simulators.graph_client import error_of
from tests.support.mail import a_mail
from tests.support.outlook_form import OutlookForm


def test_a_draft_has_no_sender_at_all(
    graph: httpx.Client, mailbox: Mailbox, form: OutlookForm
) -> None:
    draft = form.message_id(mailbox.deliver_message(a_mail(sender=None, is_draft=True), "drafts"))

    assert not {"from", "sender"} & graph.get(f"/me/messages/{draft}").json().keys()


def test_deleting_moves_first_and_purged_mail_is_readable_by_id_only(
    graph: httpx.Client, mailbox: Mailbox, form: OutlookForm
) -> None:
    message = mailbox.deliver_message(a_mail())
    url = f"/me/messages/{form.message_id(message)}"

    mailbox.move_message_to_trash_or_retained(message)
    assert graph.get(url).json()["parentFolderId"] == form.folder_id("trash")
    mailbox.move_message_to_purged_folder(message)
    assert graph.get(url).status_code == 200
    assert graph.get("/me/messages").json()["value"] == []
    with pytest.raises(MessageAlreadyPurged):
        mailbox.move_message_to_purged_folder(message)


@pytest.mark.parametrize("owner", ["me", "users/{address}"])
def test_every_collection_and_entity_names_its_context(
    owner: str, graph: httpx.Client, mailbox: Mailbox, form: OutlookForm
) -> None:
    message = form.message_id(mailbox.deliver_message(a_mail()))
    inbox = quote(form.folder_id("inbox"))
    owner = owner.format(address=mailbox.address)
    user = f"users('{quote(mailbox.address) if '/' in owner else mailbox.user_id}')"
    folder = f"{user}/mailFolders('{inbox}')"
    contexts = {
        "mailFolders": f"{user}/mailFolders",
        "mailFolders?$select=id, displayName": f"{user}/mailFolders(id,displayName)",
        "mailFolders/inbox?$select=id": f"{user}/mailFolders(id)/$entity",
        f"mailFolders/{inbox}/childFolders": f"{folder}/childFolders",
        f"mailFolders/{inbox}/messages?$select=id": f"{folder}/messages(id)",
        "messages": f"{user}/messages",
        f"messages/{message}": f"{user}/messages/$entity",
        "mailFolders/delta": "Collection(mailFolder)",
        f"mailFolders/{inbox}/messages/delta": "Collection(message)",
        "": "users/$entity",
    }
    for path, context in contexts.items():
        document = graph.get(f"/{owner}/{path}").json()
        assert document["@odata.context"] == f"{graph.base_url}$metadata#{context}"


def test_a_move_is_refused_as_graph_refuses_it(
    simulators: Simulators, graph: httpx.Client, mailbox: Mailbox, form: OutlookForm
) -> None:
    foreign = OutlookForm(simulators.find_or_create_mailbox("grace@example.com"))
    message = form.message_id(mailbox.deliver_message(a_mail()))
    url = f"/me/messages/{message}/move"
    reader = simulators.issue_microsoft_access_token(mailbox, scope="Mail.Read")

    def move(url: str, destination: object = "archive", **headers: str) -> httpx.Response:
        return graph.post(url, json={"destinationId": destination}, headers=headers)

    denied = move(url, Authorization=f"Bearer {reader}")
    assert error_of(denied) == (403, "ErrorAccessDenied")
    assert error_of(move(url, None))[0] == 400
    assert error_of(move(url, "nowhere")) == (400, "ErrorInvalidIdMalformed")
    assert error_of(move(url, foreign.folder_id("inbox"))) == (404, "ErrorInvalidMailboxItemId")
    assert error_of(move("/me/messages/nothing/move")) == (400, "ErrorInvalidIdMalformed")
    moved = move(url)
    assert (moved.status_code, moved.json()["id"]) == (201, message)
    assert moved.json()["parentFolderId"] == form.folder_id("archive")


def test_bad_and_expired_tokens_and_foreign_mailboxes_are_refused(
    simulators: Simulators, graph: httpx.Client, mailbox: Mailbox
) -> None:
    other = simulators.find_or_create_mailbox("grace@example.com")
    expired = simulators.issue_microsoft_access_token(mailbox, lifetime_s=-1)

    for token in ("garbage", "a.b.c", expired):
        refused = graph.get("/me", headers={"Authorization": f"Bearer {token}"})
        assert error_of(refused) == (401, "InvalidAuthenticationToken")
    foreign = graph.get(f"/users/{other.address}/mailFolders/inbox")
    assert error_of(foreign) == (403, "ErrorAccessDenied")


def test_a_token_that_was_accepted_expires_and_serves_no_other_audience(
    simulators: Simulators, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    signer, token = (
        simulators._signer,
        simulators.issue_microsoft_access_token(mailbox, lifetime_s=60),
    )
    assert signer.verify_token(token).user_id == mailbox.user_id

    with pytest.raises(AccessTokenRefusedError, match="audience"):
        signer.verify_token(token, audience=OUTLOOK_AUDIENCE)
    monkeypatch.setattr(tokens, "time", SimpleNamespace(time=lambda: time.time() + 61))
    with pytest.raises(AccessTokenRefusedError, match="expired"):
        signer.verify_token(token)
