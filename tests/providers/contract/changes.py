"""What may happen to a message between two rounds of a feed."""

from collections.abc import Callable, Mapping

from localdev.simulators.mailbox import Mailbox
from tests.support.mail import a_mail


def there_and_back(box: Mailbox, number: int) -> None:
    box.move_message(number, "archive")
    box.move_message(number, "inbox")


def _moved_and_edited(box: Mailbox, number: int) -> None:
    box.move_message(number, "archive")
    box.change_message_fields(number, subject="edited in the archive")


CHANGES: Mapping[str, Callable[[Mailbox, int], object]] = {
    "arrived": lambda box, _: box.deliver_message(a_mail("new")),
    "read": lambda box, number: box.set_message_read(number),
    "unread": lambda box, number: box.set_message_read(number, is_read=False),
    "starred": lambda box, number: box.set_message_flagged(number),
    "unstarred": lambda box, number: box.set_message_flagged(number, is_starred=False),
    "categorized": lambda box, number: box.change_message_fields(number, categories=("Travel",)),
    "edited": lambda box, number: box.change_message_fields(
        number, subject="edited", body="other words"
    ),
    "moved": lambda box, number: box.move_message(number, "archive"),
    "moved and edited": _moved_and_edited,
    "there and back": there_and_back,
    "copied": lambda box, number: box.copy_message(number, "archive"),
    "deleted": lambda box, number: box.move_message_to_trash_or_retained(number),
    "deleted for good": lambda box, number: box.move_message_to_purged_folder(number),
    "purged": lambda box, number: box.delete_message_from_database(number),
    "sent": lambda box, number: box.send_draft(number),
}
