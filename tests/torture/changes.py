"""What happens in a mailbox between two syncs: a batch with one change of every kind."""

from datetime import timedelta
from typing import Any

from localdev.mail.generate import NEWEST_MESSAGE_TIME, generate_mail_items
from localdev.mail.item import MailItem
from localdev.simulators.mailbox import Mailbox


def fill(mailbox: Mailbox, *, messages: int = 40) -> None:
    """With 40 messages it has a dozen folders on four levels; the mail is always the same."""
    mailbox.import_mail_items(generate_mail_items(messages - 3, owner="ann@example.org"))
    for number, folder in enumerate(("drafts", "sent", "trash")):
        mailbox.deliver_message(
            _mail(f"certain in {folder}", minute=number, is_draft=number == 0), folder
        )


def change_everything(mailbox: Mailbox) -> None:
    """One change of each kind that a mailbox knows, and a link that expires."""
    inbox = [each.message_number for each in mailbox.list_messages_in_folders("inbox")]
    _change_messages(mailbox, inbox)
    _move_messages(mailbox, inbox)
    _delete_messages(mailbox, inbox)
    _change_folders(mailbox, inbox)
    mailbox.expire_cursors("sent")


def _change_messages(mailbox: Mailbox, inbox: list[int]) -> None:
    mailbox.deliver_message(_mail("new", minute=90))
    mailbox.deliver_message(_mail("new and changed", minute=91))
    for message_id in inbox[0:2]:
        mailbox.set_message_read(message_id, is_read=not mailbox.find_message(message_id).is_read)
    mailbox.set_message_flagged(inbox[1])
    mailbox.change_message_fields(inbox[2], categories=("Travel",), importance="high")
    mailbox.change_message_fields(
        mailbox.list_messages_in_folders("inbox")[0].message_number, subject="changed", is_read=True
    )
    mailbox.set_message_read(mailbox.list_messages_in_folders("archive")[0].message_number)


def _move_messages(mailbox: Mailbox, inbox: list[int]) -> None:
    """Into folders that are polled later and earlier, away and back, and older than all there."""
    mailbox.move_message(inbox[3], "archive")
    mailbox.move_message(mailbox.list_messages_in_folders("archive")[-1].message_number, "inbox")
    mailbox.move_message(inbox[4], "archive")
    mailbox.move_message(inbox[4], "inbox")
    mailbox.move_message(inbox[5], "archive")
    mailbox.set_message_read(inbox[5], is_read=not mailbox.find_message(inbox[5]).is_read)
    mailbox.copy_message(inbox[6], "archive")
    mailbox.move_message(inbox[-1], "sent")
    mailbox.send_draft(mailbox.list_messages_in_folders("drafts")[0].message_number)
    mailbox.replace_message_by_copy_with_new_id(inbox[7])


def _delete_messages(mailbox: Mailbox, inbox: list[int]) -> None:
    restored = mailbox.list_messages_in_folders("trash")[0].message_number
    mailbox.move_message_to_trash_or_retained(inbox[8])
    mailbox.move_message_to_trash_or_retained(inbox[9])
    mailbox.move_message_to_trash_or_retained(inbox[9])
    mailbox.move_message_to_purged_folder(inbox[10])
    mailbox.delete_message_from_database(inbox[11])
    mailbox.move_message_to_trash_or_retained(inbox[12])
    mailbox.move_message(inbox[12], "inbox")
    mailbox.move_message(restored, "inbox")


def _change_folders(mailbox: Mailbox, inbox: list[int]) -> None:
    projects, finance = _named(mailbox, "Projects"), _named(mailbox, "Finance")
    reports = mailbox.folders.list_child_folders(projects)[0].number
    mailbox.move_message(inbox[13], mailbox.create_folder("Made", parent=finance))
    hidden = mailbox.create_folder("Hidden", hidden=True)
    mailbox.deliver_message(_mail("in a hidden folder", minute=92), hidden)
    mailbox.rename_folder(projects, "Projekte")
    mailbox.folders.move_folder(reports, finance)
    mailbox.move_message(inbox[14], mailbox.create_folder("Again"))
    mailbox.move_folder_to_trash(mailbox.create_folder("Thrown away", parent=projects))
    for folder in mailbox.folders.list_child_folders(reports):
        mailbox.delete_folder_from_database(folder.number)
    successor = mailbox.create_folder("2025 年度", parent=reports)
    mailbox.deliver_message(_mail("under the same name", minute=93), successor)


def _named(mailbox: Mailbox, name: str) -> int:
    return next(each.number for each in mailbox.folders.list_all_folders() if each.name == name)


def _mail(subject: str, *, minute: int, **fields: Any) -> MailItem:
    at = NEWEST_MESSAGE_TIME + timedelta(minutes=minute)
    body = f"The body of {subject}."
    return MailItem(subject=subject, body=body, received_at=at, sent_at=at, **fields)
