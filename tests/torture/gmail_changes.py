"""What the owner of a Gmail mailbox may do, chosen by numbers."""

from collections.abc import Callable
from datetime import timedelta

from localdev.mail.generate import NEWEST_MESSAGE_TIME
from localdev.mail.item import MailItem
from localdev.simulators.gmail.labels import CATEGORY_LABEL_IDS
from localdev.simulators.gmail.owner import GmailMailboxEditor
from localdev.simulators.mailbox import Mailbox

_PLACES = ("INBOX", "SENT", "SPAM", "TRASH", *CATEGORY_LABEL_IDS[:2])


def change_gmail(mailbox: Mailbox, kind: str, what: int, where: int) -> None:
    """Do one of GMAIL_OWNER_KINDS. Nothing happens where nothing fits."""
    owner = GmailMailboxEditor(mailbox)
    if kind in _OF_THE_MAILBOX:
        _OF_THE_MAILBOX[kind](owner, what, where)
    elif kind in _OF_A_LABEL:
        if own := _own_labels(owner):
            _OF_A_LABEL[kind](owner, own[what % len(own)], where)
    else:
        wants_draft = "draft" in kind
        found = [
            each
            for each in sorted(
                owner.gmail.list_every_message_newest_first(), key=lambda each: each.message_number
            )
            if ("DRAFT" in each.label_ids) == wants_draft
        ]
        if found:
            _OF_A_MESSAGE[kind](owner, found[what % len(found)].id, where)


def _own_labels(owner: GmailMailboxEditor) -> list[str]:
    known = owner.gmail.labels.label_by_id.values()
    return sorted(each.id for each in known if not each.is_system)


def _label(owner: GmailMailboxEditor, number: int) -> str:
    labels = [*_own_labels(owner), *_PLACES]
    return labels[number % len(labels)]


def _item(number: int) -> MailItem:
    at = NEWEST_MESSAGE_TIME - timedelta(minutes=number * 37 % 400)
    subject = f"mail {number}"
    return MailItem(
        subject=subject, body=f"The body of {subject}.", received_at=at, sent_at=at, is_read=False
    )


def _deliver(owner: GmailMailboxEditor, what: int, where: int) -> None:
    labels = {_label(owner, where), *(["INBOX"] if what % 3 else [])} if what % 5 else ()
    owner.deliver_message(_item(what), sorted(labels))


def _filter(owner: GmailMailboxEditor, what: int, where: int) -> None:
    if own := _own_labels(owner):
        owner.change_labels_of_newest_messages(
            ["INBOX"], add=[own[where % len(own)]], limit=what % 20 + 1
        )


def _rename(owner: GmailMailboxEditor, label: str, where: int) -> None:
    owner.rename_label(label, f"Renamed {where}")


def _nest(owner: GmailMailboxEditor, label: str, where: int) -> None:
    tops = [
        each.id
        for each in owner.gmail.labels.label_by_id.values()
        if not each.is_system and "/" not in each.name and each.id != label
    ]
    name = owner.gmail.labels.label_by_id[label].name
    has_children = any(
        each.name.startswith(f"{name}/") for each in owner.gmail.labels.label_by_id.values()
    )
    if tops and not has_children:
        owner.set_parent_of_label(label, sorted(tops)[where % len(tops)])


def _toggle(owner: GmailMailboxEditor, message: str, where: int) -> None:
    label = _label(owner, where)
    (found,) = [
        each for each in owner.gmail.list_every_message_newest_first() if each.id == message
    ]
    owner.change_labels(message, **{"remove" if label in found.label_ids else "add": [label]})


def _bare(owner: GmailMailboxEditor, message: str, _: int) -> None:
    (found,) = [
        each for each in owner.gmail.list_every_message_newest_first() if each.id == message
    ]
    owner.change_labels(message, remove=set(found.label_ids) - {"UNREAD", "STARRED", "IMPORTANT"})


def _edit(owner: GmailMailboxEditor, message: str, where: int) -> None:
    owner.edit_draft(message, body=f"Edited {where}.")


_OF_THE_MAILBOX: dict[str, Callable[[GmailMailboxEditor, int, int], object]] = {
    "gmail deliver": _deliver,
    "gmail write a draft": lambda owner, what, _: owner.deliver_message(_item(what), ["DRAFT"]),
    "gmail create label": lambda owner, what, where: owner.create_label(f"New {what} {where}"),
    "gmail filter": _filter,
    "gmail empty the trash": lambda owner, *_: owner.empty_trash(),
    "gmail history expires": lambda owner, *_: owner.gmail.simulated_mailbox.expire_cursors(),
}
_OF_A_LABEL: dict[str, Callable[[GmailMailboxEditor, str, int], object]] = {
    "gmail rename label": _rename,
    "gmail nest label": _nest,
    "gmail delete label": lambda owner, label, _: owner.delete_label(label),
}
_OF_A_MESSAGE: dict[str, Callable[[GmailMailboxEditor, str, int], object]] = {
    "gmail archive": lambda owner, message, _: owner.archive_message(message),
    "gmail toggle a label": _toggle,
    "gmail no label": _bare,
    "gmail trash": lambda owner, message, _: owner.trash_message(message),
    "gmail untrash": lambda owner, message, _: owner.untrash_message(message),
    "gmail spam": lambda owner, message, _: owner.mark_message_as_spam(message),
    "gmail not spam": lambda owner, message, _: owner.unmark_message_as_spam(message),
    "gmail star": lambda owner, message, where: owner.set_message_starred(
        message, is_starred=where % 2 == 0
    ),
    "gmail read": lambda owner, message, where: owner.set_message_read(
        message, is_read=where % 2 == 0
    ),
    "gmail important": lambda owner, message, where: owner.set_message_important(
        message, is_important=where % 2 == 0
    ),
    "gmail delete for good": lambda owner, message, _: owner.erase_message(message),
    "gmail edit a draft": _edit,
    "gmail send a draft": lambda owner, message, _: owner.send_draft(message),
}
GMAIL_OWNER_KINDS = (*_OF_THE_MAILBOX, *_OF_A_LABEL, *_OF_A_MESSAGE, *_OF_A_MESSAGE)
