"""A mailbox behind an IMAP server that misbehaves as its rules say, and a client of it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from localdev.simulators import Simulators
from localdev.simulators.mailbox import Mailbox
from mailsync.errors import ProviderThrottled, ProviderUnavailable
from mailsync.model import Message, MessageNotFoundByIdResult, RemoteId, UnreadableMessage
from mailsync.providers.imap.provider import ImapMailbox
from mailsync.providers.imap.reconnect import RequestedPause
from mailsync.providers.retry_budget import RetryBudget
from tests.support.dovecot import PASSWORD
from tests.support.imap_mailbox import INBOX, open_imap_mailbox
from tests.support.mail import a_mail
from tests.support.scripted_imap import ScriptedImap, scripted_imap

ALL = ["a", "b", "c"]
MAX_ATTEMPTS = 4


@dataclass
class Played:
    """A mailbox with three mails behind a scripted server. slept: pauses in seconds."""

    server: ScriptedImap
    client: ImapMailbox
    mailbox: Mailbox
    slept: list[float]

    def listed(self) -> list[RemoteId]:
        """Read the whole folder; return the ids of its messages."""
        page = self.client.fetch_feed_page(INBOX, None, limit=100)
        return [change.remote_id for change in page.changes]

    def fetched(self, ids: Sequence[RemoteId]) -> list[str]:
        """Return the subjects of the messages; of others, the cause or `gone`."""
        return [_outcome(each) for each in self.client.fetch_messages(ids)]

    def stored(self) -> list[str]:
        """List and fetch, with the attempts that a sync makes."""
        for _ in range(MAX_ATTEMPTS):
            with suppress(ProviderThrottled, ProviderUnavailable):
                return self.fetched(self.listed())
            self.client.requested_pause = RequestedPause()  # the workflow has waited
        raise AssertionError("nothing is ever stored")


def _outcome(found: Message | MessageNotFoundByIdResult | UnreadableMessage) -> str:
    if isinstance(found, Message):
        return found.subject
    return found.cause_name if isinstance(found, UnreadableMessage) else "gone"


@contextmanager
def play_imap(simulators: Simulators, folder: Path) -> Iterator[Played]:
    imap = simulators.imap
    assert imap
    mailbox = simulators.find_or_create_mailbox(
        f"{folder.name.lower()}@example.com", "Ada Lovelace"
    )
    for subject in ALL:
        mailbox.deliver_message(a_mail(subject))
    with scripted_imap(folder, behind=(imap.tls_port, imap.certificate)) as server:
        slept: list[float] = []
        budget = RetryBudget(slept.append)
        client = open_imap_mailbox(
            server.port, server.certificate, mailbox.address, PASSWORD, budget=budget
        )
        yield Played(server, client, mailbox, slept)
        client.close()
