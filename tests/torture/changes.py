"""What happens in a mailbox between two syncs: a batch with one change of every kind."""

from datetime import timedelta
from typing import Any

from localdev.mail.generate import NEWEST_MESSAGE_TIME, generate_mail
from localdev.mail.item import MailItem
from localdev.simulators.folders import Folder
from localdev.simulators.mailbox import Mailbox

_FLAGGED = {"flagStatus": "flagged"}


def fill(mailbox: Mailbox, *, messages: int = 40) -> None:
    """With 40 messages it has a dozen folders on four levels; the mail is always the same."""
    mailbox.load(generate_mail(messages - 3, owner="ann@example.org"))
    for number, folder in enumerate(("drafts", "sentitems", "deleteditems")):
        mailbox.deliver(a_mail(f"certain in {folder}", minute=number, is_draft=number == 0), folder)


def change_everything(mailbox: Mailbox) -> None:
    """One change of each kind that a mailbox knows, and a link that expires."""
    inbox = [each.immutable_id for each in mailbox.messages("inbox")]
    _change_messages(mailbox, inbox)
    _move_messages(mailbox, inbox)
    _delete_messages(mailbox, inbox)
    _change_folders(mailbox, inbox)
    mailbox.expire_delta_links("sentitems")


def _change_messages(mailbox: Mailbox, inbox: list[str]) -> None:
    mailbox.deliver(a_mail("new", minute=90))
    mailbox.deliver(a_mail("new and changed", minute=91))
    for message_id in inbox[0:2]:
        mailbox.update(message_id, isRead=not mailbox.message(message_id).is_read)
    mailbox.update(inbox[1], flag=_FLAGGED)
    mailbox.update(inbox[2], categories=["Travel"], importance="high")
    mailbox.update(mailbox.messages("inbox")[0].immutable_id, subject="changed", isRead=True)
    mailbox.update(mailbox.messages("archive")[0].immutable_id, isRead=True)


def _move_messages(mailbox: Mailbox, inbox: list[str]) -> None:
    """Into folders that are polled later and earlier, away and back, and older than all there."""
    mailbox.move(inbox[3], "archive")
    mailbox.move(mailbox.messages("archive")[-1].immutable_id, "inbox")
    mailbox.move(inbox[4], "archive")
    mailbox.move(inbox[4], "inbox")
    mailbox.move(inbox[5], "archive")
    mailbox.update(inbox[5], isRead=not mailbox.message(inbox[5]).is_read)
    mailbox.copy(inbox[6], "archive")
    mailbox.move(inbox[-1], "sentitems")
    mailbox.send_draft(mailbox.messages("drafts")[0].immutable_id)
    mailbox.renew_immutable_id(inbox[7])


def _delete_messages(mailbox: Mailbox, inbox: list[str]) -> None:
    restored = mailbox.messages("deleteditems")[0].immutable_id
    mailbox.delete(inbox[8])
    mailbox.delete(inbox[9])
    mailbox.delete(inbox[9])
    mailbox.delete_permanently(inbox[10])
    mailbox.purge(inbox[11])
    mailbox.delete(inbox[12])
    mailbox.move(inbox[12], "inbox")
    mailbox.move(restored, "inbox")


def _change_folders(mailbox: Mailbox, inbox: list[str]) -> None:
    projects, finance = _named(mailbox, "Projects"), _named(mailbox, "Finance")
    reports = mailbox.folders.children(projects.id)[0]
    made = mailbox.folders.create("Made", parent=finance.id)
    mailbox.move(inbox[13], made.id)
    hidden = mailbox.folders.create("Hidden", hidden=True)
    mailbox.deliver(a_mail("in a hidden folder", minute=92), hidden.id)
    mailbox.folders.rename(projects.id, "Projekte")
    mailbox.folders.move(reports.id, finance.id)
    again = mailbox.folders.create("Again")
    mailbox.move(inbox[14], again.id)
    mailbox.delete_folder(mailbox.folders.create("Thrown away", parent=projects.id).id)
    for folder in mailbox.folders.children(reports.id):
        mailbox.purge_folder(folder.id)
    successor = mailbox.folders.create("2025 年度", parent=reports.id)
    mailbox.deliver(a_mail("under the same name", minute=93), successor.id)


def _named(mailbox: Mailbox, name: str) -> Folder:
    return next(each for each in mailbox.folders.all() if each.display_name == name)


def a_mail(subject: str, *, minute: int, **fields: Any) -> MailItem:
    """Received so many minutes after all mail that is generated."""
    at = NEWEST_MESSAGE_TIME + timedelta(minutes=minute)
    body = f"The body of {subject}."
    return MailItem(subject=subject, body=body, received_at=at, sent_at=at, **fields)
