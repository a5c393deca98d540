"""Compare the Gmail API with its simulator."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from localdev.live.gmail.sign_in import (
    GmailUpstream,
    let_user_sign_in,
    make_signed_in_simulated_upstream,
)
from localdev.live.gmail.words import (
    MAILBOX_PATH_PREFIX,
    RECORDABLE_NAMES_AND_WORDS,
    build_exchange_to_record,
)
from localdev.live.kit import SimulatedProvider
from localdev.live.record import ExchangeToRecord, Recorder
from localdev.live.relay import (
    HttpProviderUpstream,
    HttpRelay,
    ReceivedResponse,
    RelayedRequest,
    store_account_with_relay_token,
)
from localdev.mail.generate import generate_mail_items
from localdev.mail.item import MailItem
from localdev.simulators import Simulators
from localdev.simulators.behaviour import LATENCY_BY_NAME
from localdev.simulators.faults import Fault, FaultRule
from localdev.simulators.mailbox import Mailbox
from mailsync.credentials.vault import SealingKey
from mailsync.model import AccountId
from mailsync.registry import GMAIL_URL_SETTING, GOOGLE
from mailsync.store.credential_store import CredentialStore

_ADDRESS = "baseline@example.com"
_SINGLE, _IN_THREADS, _THREAD = 150, 400, 20
"""Numbers of messages of the simulated mailbox: messages whose thread is left as generated,
messages in long threads, and messages in each long thread. All messages fill one page of 500 ids
and a part of the next page. They cost less than a minute's quota, because a thread costs as many
units as two messages."""
_CHANGED = 20
_REFUSED = "0000000000000001", "0000000000000002"


class GmailLiveComparisonKit:
    """Compares the Gmail API with its simulator; implements `LiveComparisonKit` and
    `HttpRelayKitInterface`."""

    provider_name = GOOGLE
    recordable_names_and_words = RECORDABLE_NAMES_AND_WORDS
    error_probe_paths: tuple[str, ...] = (
        *(f"{MAILBOX_PATH_PREFIX}messages/{each}?format=raw" for each in _REFUSED),
        f"{MAILBOX_PATH_PREFIX}messages/0000000000000003?format=raw",
        f"{MAILBOX_PATH_PREFIX}messages/no!id?format=raw",
        f"{MAILBOX_PATH_PREFIX}labels/nothing",
        f"{MAILBOX_PATH_PREFIX}history?startHistoryId=1&maxResults=500",
        f"{MAILBOX_PATH_PREFIX}messages?pageToken=nothing",
    )

    def open_relay(self, folder: Path) -> "GmailRelay":
        return GmailRelay(self)

    def store_account_with_relay_token(
        self, store: CredentialStore, key: SealingKey, token: str
    ) -> AccountId:
        return store_account_with_relay_token(self.provider_name, store, key, token)

    def is_read_only_request(self, request: RelayedRequest) -> bool:
        return request.method == "GET" and request.path_and_query.startswith(MAILBOX_PATH_PREFIX)

    def build_exchanges_to_record(
        self, request: RelayedRequest, received: ReceivedResponse
    ) -> list[ExchangeToRecord]:
        return [build_exchange_to_record(request, received)]

    def point_page_links_to_relay(self, document: Any, base_url: str, relay_url: str) -> bool:
        """Return False and change nothing, because pages of the Gmail API have tokens and no
        links."""
        return False

    def sign_in(self, environment: Mapping[str, str], recorder: Recorder) -> GmailUpstream:
        return let_user_sign_in(environment, recorder)

    @contextmanager
    def run_simulated_provider(
        self, folder: Path, recorder: Recorder, *, latency: str
    ) -> Iterator[SimulatedProvider]:
        with Simulators(folder) as simulators:
            mailbox = simulators.find_or_create_mailbox(_ADDRESS)
            mailbox.import_mail_items(_generate_baseline())
            simulators.service.latency = LATENCY_BY_NAME[latency]
            # Gmail may throttle the real mailbox, so the record needs the form of these errors.
            simulators.service.faults.add_rules(
                FaultRule(fault=Fault(status=403), path=f"/messages/{_REFUSED[0]}"),
                FaultRule(fault=Fault(status=429), path=f"/messages/{_REFUSED[1]}"),
            )
            yield SimulatedProvider(
                make_signed_in_simulated_upstream(simulators, _ADDRESS, recorder),
                lambda: _change_mailbox(mailbox),
                lambda _: _stack_options(simulators),
            )


class GmailRelay(HttpRelay):
    """The relay to the Gmail API, with the settings by which the functions reach it. Implements
    `ProviderRelayInterface`.

    The functions get no real OAuth client, because the relay holds the user's tokens.
    """

    def __init__(self, kit: GmailLiveComparisonKit) -> None:
        super().__init__(kit)
        self.lambda_environment_variables = {
            GMAIL_URL_SETTING.name: self.http_base_url_or_empty,
            "GOOGLE_CLIENT_ID": "held-by-the-relay",
            "GOOGLE_CLIENT_SECRET": "held-by-the-relay",
        }

    def add_upstream_and_make_relay_token(
        self, upstream: HttpProviderUpstream, recorder: Recorder
    ) -> str:
        if isinstance(upstream, GmailUpstream):
            self.lambda_environment_variables = {
                **self.lambda_environment_variables,
                **upstream.further_lambda_environment_variables,
            }
        return super().add_upstream_and_make_relay_token(upstream, recorder)


KIT = GmailLiveComparisonKit()


def _generate_baseline() -> Iterator[MailItem]:
    for number, item in enumerate(generate_mail_items(_SINGLE + _IN_THREADS, owner=_ADDRESS)):
        if number < _SINGLE:
            yield item
        else:
            yield replace(item, conversation=f"long thread {number // _THREAD}")


def _change_mailbox(mailbox: Mailbox) -> None:
    """Deliver some messages, mark others as read or starred, and delete two. Gmail's history has a
    different form for each of these changes."""
    unread = [each for each in mailbox.list_messages_in_folders("inbox") if not each.is_read]
    for message in unread[:_CHANGED]:
        mailbox.set_message_read(message.message_number, is_read=True)
    read = [each for each in mailbox.list_messages_in_folders("inbox") if each.is_read]
    for message in read[:_CHANGED]:
        mailbox.set_message_flagged(message.message_number)
    for message in read[_CHANGED : _CHANGED + 2]:
        mailbox.move_message_to_purged_folder(message.message_number)
    for item in generate_mail_items(_CHANGED, owner=_ADDRESS, seed=2):
        mailbox.deliver_message(item)


def _stack_options(simulators: Simulators) -> Mapping[str, Any]:
    """Return options of a stack that starts no simulators of its own. The options must name a Graph
    and an identity platform. They name those of `simulators`, to which the stack sends no request,
    because it has no Microsoft account."""
    return {
        "graph_url": simulators.graph_url,
        "authority": simulators.entra_authority_url,
        "environment": {
            "MICROSOFT_CLIENT_ID": "unused",
            "MICROSOFT_CLIENT_SECRET": "unused",
            "CA_BUNDLE": str(simulators.ca_bundle),
        },
    }
