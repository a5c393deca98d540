"""Make a mailbox of realistic sizes for the simulated Graph. The same shape gives the same mail."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from benchmarks.imap.mail import FIRST_MESSAGE_AT, draw_size, make_html
from localdev.mail.item import MailItem
from mailsync.model import Address

INBOX_SHARE_OF_SKEWED = 0.8
BODIES = 1_000
"""The number of different bodies; message `n` and message `n + BODIES` have the same."""
NEWEST = 50


@dataclass(frozen=True, slots=True)
class MailboxShape:
    """How many messages a mailbox has, and how they are spread.

    folders: number of folders with mail, the inbox included.
    is_skewed: whether most messages are in the inbox. False: all folders have the same number.
    """

    messages: int
    folders: int
    is_skewed: bool

    @property
    def name(self) -> str:
        spread = "skewed" if self.is_skewed else "even"
        return f"{self.messages:,} messages, {spread}, {self.folders} folders"

    def counts(self) -> list[int]:
        """Return the number of messages of each folder, the inbox first."""
        share = INBOX_SHARE_OF_SKEWED if self.is_skewed else 1 / self.folders
        inbox = self.messages if self.folders == 1 else round(self.messages * share)
        others = self.folders - 1
        left = self.messages - inbox
        return [inbox, *(left // others + (number < left % others) for number in range(others))]

    def newest_count(self) -> int:
        """Return how many messages are the newest of the inbox: `NEWEST`, or all if it has less."""
        return min(NEWEST, self.counts()[0])

    def newest_since(self) -> datetime:
        """Return when the oldest of the newest messages of the inbox was received."""
        return _received_at(_numbers_by_folder(self.counts())[0][-NEWEST:][0])


def make_items(shape: MailboxShape) -> Iterator[MailItem]:
    """Yield the messages folder by folder, each folder's oldest first."""
    bodies = [_body(number) for number in range(min(BODIES, shape.messages))]
    for folder, numbers in enumerate(_numbers_by_folder(shape.counts())):
        for number in numbers:
            yield _item(number, folder, bodies[number % BODIES])


def _numbers_by_folder(counts: list[int]) -> list[list[int]]:
    """Spread the message numbers so that each folder has old and new messages."""
    order = sorted(
        ((place + 0.5) / count, folder)
        for folder, count in enumerate(counts)
        for place in range(count)
    )
    numbers: list[list[int]] = [[] for _ in counts]
    for number, (_, folder) in enumerate(order):
        numbers[folder].append(number)
    return numbers


def _received_at(number: int) -> datetime:
    return FIRST_MESSAGE_AT + timedelta(minutes=number)


def _body(number: int) -> str:
    random_of_body = random.Random(number)
    return make_html(random_of_body, draw_size(random_of_body))


def _item(number: int, folder: int, body: str) -> MailItem:
    sender = number % 97
    return MailItem(
        subject=f"Rückfrage {number} zur Bestellung",
        body=body,
        body_type="html",
        received_at=_received_at(number),
        sent_at=_received_at(number),
        folder=(f"Folder {folder}",) if folder else (),
        sender=Address(f"Person n° {sender}", f"person{sender}@example.org"),
        to=(Address("Ann", "ann@example.com"), Address("", f"team{sender % 7}@example.com")),
        internet_message_id=f"<{number}.{random.Random(number).randbytes(12).hex()}@example.org>",
        conversation=f"thread {number // 3}",
        is_read=bool(number % 3),
    )
