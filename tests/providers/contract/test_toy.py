"""A provider unlike Graph keeps the contract: labels, one feed of the mailbox, ids that change."""

import pytest

from localdev.simulators.mailbox import Mailbox
from mailsync.errors import ProviderThrottled, ProviderUnavailable
from tests.providers.contract.failure_promises import FailureContract
from tests.providers.contract.promises import ProviderContract
from tests.providers.contract.scripted_graph import TwoTokens
from tests.providers.contract.server import Malformation
from tests.support.toy_form import ToyForm
from tests.support.toy_provider import ToyProvider


class ToyServer(ToyProvider):
    """Implements `ContractServer` as well."""

    def __init__(self, mailbox: Mailbox, kind: str) -> None:
        self.access = TwoTokens()
        super().__init__(mailbox, self.access, kind)
        self.provider, self.form = self, ToyForm(mailbox, self.message_id)
        self.recover()
        self._token = ""

    def throttle(self, pause_s: float) -> None:
        self._pause_s = pause_s

    def fail(self) -> None:
        self._is_broken = True

    def malform(self, how: Malformation) -> None:
        self._is_broken = True

    def withdraw_token(self, *, for_ever: bool = False) -> None:
        self._token = "none" if for_ever else "token-1"

    def recover(self) -> None:
        self._pause_s, self._is_broken = 0.0, False

    def request(self) -> None:
        if self.remaining_provider_pause_s:
            raise ProviderThrottled(
                "The pause is not over.", retry_after_s=self.remaining_provider_pause_s
            )
        super().request()
        self.remaining_provider_pause_s = self._pause_s
        if self._pause_s:
            raise ProviderThrottled("The toy asks for a pause.", retry_after_s=self._pause_s)
        if self._is_broken:
            raise ProviderUnavailable("The toy is broken.")
        token = self.access.get_current_token()
        if self._token and self._token not in (
            token.token,
            self.access.get_token_after_refusal(token).token,
        ):
            raise ProviderUnavailable("The toy refuses every token.")


@pytest.mark.parametrize("kind", ["labels", "folders"])
class TestToy(ProviderContract, FailureContract):
    @pytest.fixture
    def server(self, mailbox: Mailbox, kind: str) -> ToyServer:
        return ToyServer(mailbox, kind)
