"""Microsoft Graph keeps the contract of a provider."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from localdev.simulators import Simulators
from localdev.simulators.faults import Fault, FaultRule
from localdev.simulators.mailbox import Mailbox
from mailsync.model import AccessToken
from mailsync.providers.graph.provider import GraphMailbox
from mailsync.providers.retry_budget import RetryBudget
from tests.providers.contract.failure_promises import FailureContract
from tests.providers.contract.promises import ProviderContract
from tests.providers.contract.server import Malformation
from tests.support.outlook_form import OutlookForm

LIFETIME_S = 3600
MALFORMED: dict[Malformation, Fault] = {
    "another protocol": Fault(html=True),
    "half an answer": Fault(truncate_json=True),
    "cut off": Fault(cut="mid body"),
    "closed": Fault(cut="before answer"),
}


class SignedTokens:
    """Tokens that the simulated identity platform signs; what is withdrawn has expired."""

    def __init__(self, simulators: Simulators, mailbox: Mailbox) -> None:
        self.renewed = 0
        self.lifetime_s = LIFETIME_S
        self._simulators, self._mailbox = simulators, mailbox
        self._access = self.issue(LIFETIME_S)

    def get_current_token(self) -> AccessToken:
        return self._access

    def get_token_after_refusal(self, refused: AccessToken) -> AccessToken:
        self.renewed += 1
        return self.issue(self.lifetime_s)

    def issue(self, lifetime_s: int) -> AccessToken:
        token = self._simulators.issue_microsoft_access_token(self._mailbox, lifetime_s=lifetime_s)
        self._access = AccessToken(token, datetime.now(UTC) + timedelta(seconds=LIFETIME_S))
        return self._access


class SimulatedGraph:
    """Implements `ContractServer`."""

    def __init__(self, simulators: Simulators, mailbox: Mailbox) -> None:
        self.mailbox = mailbox
        self.form = OutlookForm(mailbox)
        self.access = SignedTokens(simulators, mailbox)
        self.provider = GraphMailbox(
            base_url=simulators.graph_url,
            access=self.access,
            ca_bundle=None,
            budget=RetryBudget(sleep=lambda _: None),
        )
        self._faults = simulators.service.faults

    def throttle(self, pause_s: float) -> None:
        self._inject(Fault(status=429, code="ApplicationThrottled", retry_after=pause_s))

    def fail(self) -> None:
        self._inject(Fault(status=503, body=""))

    def malform(self, how: Malformation) -> None:
        self._inject(MALFORMED[how])

    def withdraw_token(self, *, for_ever: bool = False) -> None:
        self.access.issue(-1)
        if for_ever:
            self.access.lifetime_s = -1

    def recover(self) -> None:
        self._faults.remove_all_rules()

    def _inject(self, fault: Fault) -> None:
        self._faults.add_rules(FaultRule(fault=fault, times=None))


class TestGraph(ProviderContract, FailureContract):
    @pytest.fixture
    def server(self, simulators: Simulators, mailbox: Mailbox) -> Iterator[SimulatedGraph]:
        graph = SimulatedGraph(simulators, mailbox)
        with closing(graph.provider):
            yield graph
