"""Gmail keeps the contract of a provider, through the Gmail API."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from localdev.simulators import Simulators
from localdev.simulators.faults import Fault, FaultRule
from localdev.simulators.gmail.labels import CATEGORY_LABEL_IDS
from localdev.simulators.gmail.mailbox import GmailMailbox as SimulatedMailbox
from localdev.simulators.mailbox import Mailbox
from mailsync.model import AccessToken
from mailsync.providers.gmail.provider import GmailMailbox
from mailsync.providers.retry_budget import RetryBudget
from tests.providers.contract.failure_promises import FailureContract
from tests.providers.contract.promises import ProviderContract
from tests.providers.contract.server import Malformation
from tests.support.gmail_form import GmailForm

MALFORMED: dict[Malformation, Fault] = {
    "another protocol": Fault(html=True),
    "half an answer": Fault(truncate_json=True),
    "cut off": Fault(cut="mid body"),
    "closed": Fault(cut="before answer"),
}
PROFILES: dict[str, dict[str, bool]] = {
    "as observed": {},
    "less, in any order": {
        "has_label_ids_in_history": False,
        "is_inbox_removal_reported": False,
        "are_pages_disordered": True,
        "is_trash_counted": False,
    },
}
"""What no documentation promises."""


class RegisteredTokens:
    """Tokens that the simulated Gmail knows; what is withdrawn is revoked."""

    def __init__(self, simulators: Simulators, mailbox: Mailbox) -> None:
        self.renewed = 0
        self.is_revoked = False
        self._tokens, self._user_id = simulators.gmail.tokens, mailbox.user_id
        self._access = self._issue()

    def get_current_token(self) -> AccessToken:
        return self._access

    def get_token_after_refusal(self, refused: AccessToken) -> AccessToken:
        self.renewed += 1
        self._access = self._issue()
        if self.is_revoked:
            self.revoke()
        return self._access

    def revoke(self) -> None:
        self._tokens.revoke_token(self._access.token)

    def _issue(self) -> AccessToken:
        token = self._tokens.issue_token(self._user_id)
        return AccessToken(token, datetime.now(UTC) + timedelta(hours=1))


class SimulatedGmail:
    """Implements `ContractServer`."""

    def __init__(self, simulators: Simulators, mailbox: Mailbox) -> None:
        self.mailbox = mailbox
        self.form = GmailForm(mailbox)
        self.access = RegisteredTokens(simulators, mailbox)
        self.provider = GmailMailbox(
            base_url=simulators.gmail_url,
            access=self.access,
            ca_bundle=None,
            budget=RetryBudget(sleep=lambda _: None),
        )
        labels = SimulatedMailbox(mailbox, simulators.gmail.behaviour).labels
        for each in CATEGORY_LABEL_IDS:  # the API lists them also where no message has had them
            labels.find_or_create_folder_number(each)
        self._faults = simulators.service.faults

    def throttle(self, pause_s: float) -> None:
        self._inject(Fault(status=429, retry_after=pause_s))

    def fail(self) -> None:
        self._inject(Fault(status=503))

    def malform(self, how: Malformation) -> None:
        self._inject(MALFORMED[how])

    def withdraw_token(self, *, for_ever: bool = False) -> None:
        self.access.is_revoked = for_ever
        self.access.revoke()

    def recover(self) -> None:
        self._faults.remove_all_rules()

    def _inject(self, fault: Fault) -> None:
        self._faults.add_rules(FaultRule(fault=fault, path="/gmail/v1/", times=None))


class TestGmail(ProviderContract, FailureContract):
    @pytest.fixture(params=PROFILES)
    def server(
        self, request: pytest.FixtureRequest, simulators: Simulators, mailbox: Mailbox
    ) -> Iterator[SimulatedGmail]:
        defaults = simulators.gmail.behaviour
        simulators.gmail.set_behaviour_switches(**PROFILES[request.param])
        gmail = SimulatedGmail(simulators, mailbox)
        with closing(gmail.provider):
            yield gmail
        simulators.gmail.behaviour = defaults
