"""Messages and folders as Graph serves them, and their wire shapes."""

import httpx
import pytest

from localdev.simulators import Simulators
from localdev.simulators.mailbox import Mailbox, MessageAlreadyPurged
from tests.providers.simulators.graph_client import error_of
from tests.support.mail import a_mail
from tests.support.outlook_form import OutlookForm


def test_a_draft_has_no_sender_at_all(
    graph: httpx.Client, mailbox: Mailbox, form: OutlookForm
) -> None:
    draft = form.message_id(mailbox.deliver(a_mail(sender=None, is_draft=True), "drafts"))

    assert not {"from", "sender"} & graph.get(f"/me/messages/{draft}").json().keys()


def test_deleting_moves_first_and_purged_mail_is_readable_by_id_only(
    graph: httpx.Client, mailbox: Mailbox, form: OutlookForm
) -> None:
    message = mailbox.deliver(a_mail())
    url = f"/me/messages/{form.message_id(message)}"

    mailbox.delete_message(message)
    assert graph.get(url).json()["parentFolderId"] == form.folder_id("trash")
    mailbox.delete_message_permanently(message)
    assert graph.get(url).status_code == 200
    assert graph.get("/me/messages").json()["value"] == []
    with pytest.raises(MessageAlreadyPurged):
        mailbox.delete_message_permanently(message)


def test_bad_and_expired_tokens_and_foreign_mailboxes_are_refused(
    simulators: Simulators, graph: httpx.Client, mailbox: Mailbox
) -> None:
    other = simulators.add_mailbox("grace@example.com")
    expired = simulators.issue_access_token(mailbox, lifetime_s=-1)

    for token in ("garbage", "a.b.c", expired):
        refused = graph.get("/me", headers={"Authorization": f"Bearer {token}"})
        assert error_of(refused) == (401, "InvalidAuthenticationToken")
    foreign = graph.get(f"/users/{other.address}/mailFolders/inbox")
    assert error_of(foreign) == (403, "ErrorAccessDenied")
