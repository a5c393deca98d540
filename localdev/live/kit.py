"""Define the kit that a mail provider supplies, so that `make live` can compare the provider with
its simulator.

The folder `localdev/live/NAME/` of a provider has the module `kit` with a constant `KIT`. No other
module of `localdev.live` knows a provider.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, cast

from localdev.live.record import RecordableNamesAndWords, Recorder
from mailsync.credentials.vault import SealingKey
from mailsync.model import AccountId, ProviderName
from mailsync.store.credential_store import CredentialStore


class LiveComparisonFailed(Exception):
    """The comparison cannot start or cannot continue. The message says what to do."""


@dataclass(frozen=True, slots=True)
class SimulatedProvider:
    """A simulated provider with one mailbox.

    signed_in_upstream: the provider as the relay's `add_upstream_and_make_relay_token` takes it,
        like the result of `LiveComparisonKit.sign_in`.
    change_messages_as_owner: function that changes mail as the owner would, so that a check finds
        changes.
    build_stack_options: function that takes the relay's URL, and returns options of a local stack
        whose provider is the relay.
    """

    signed_in_upstream: Any
    change_messages_as_owner: Callable[[], None]
    build_stack_options: Callable[[str], Mapping[str, Any]]


class ProviderRelayInterface(Protocol):
    """Interface of the relay between Mailsync and the providers; a context manager.

    http_base_url_or_empty: URL at which Mailsync reaches the relay over HTTP. Empty: the relay
        does not use HTTP.
    lambda_environment_variables: environment variables with which the functions reach
        the relay. They are complete when all upstreams are added.
    """

    @property
    def http_base_url_or_empty(self) -> str: ...

    @property
    def lambda_environment_variables(self) -> Mapping[str, str]: ...

    def __enter__(self) -> "ProviderRelayInterface": ...

    def __exit__(self, *failure: object) -> None: ...

    def add_upstream_and_make_relay_token(self, upstream: Any, recorder: Recorder) -> str:
        """Let the relay reach a further provider. Return the token or password with which
        Mailsync's requests reach this provider."""
        ...

    def send_error_provoking_requests(self, token: str) -> None:
        """Send requests that the provider rejects, to record the provider's errors.

        token: what `add_upstream_and_make_relay_token` returned for the provider.
        """
        ...


class LiveComparisonKit(Protocol):
    """Interface of the kit that a mail provider supplies for the comparison with its simulator."""

    provider_name: ProviderName
    recordable_names_and_words: RecordableNamesAndWords

    def open_relay(self, folder: Path) -> ProviderRelayInterface:
        """Return a relay to providers of this kind. The relay may write files to the folder."""
        ...

    def store_account_with_relay_token(
        self, store: CredentialStore, key: SealingKey, token: str
    ) -> AccountId:
        """Store an account in Mailsync's database; return the id of the account.

        The account's credential is `token`. The relay accepts it in place of the user's
        credentials. The account has a placeholder as its email address.
        """
        ...

    def sign_in(self, environment: Mapping[str, str], recorder: Recorder) -> Any:
        """Let the user sign in to the real provider, with permissions that only read. Return the
        provider as `ProviderRelayInterface.add_upstream_and_make_relay_token` takes it.

        Print what the user has to do, and wait until the user has done it.

        Raises:
            LiveComparisonFailed: a setting is missing, or the sign-in failed.
        """
        ...

    def run_simulated_provider(
        self, folder: Path, recorder: Recorder, *, latency: str
    ) -> AbstractContextManager[SimulatedProvider]:
        """Return a context manager that runs the simulated provider with one mailbox, and signs in
        to the mailbox.

        latency: latency of the simulator, `none` or `real`.
        """
        ...


def list_comparable_provider_names() -> list[str]:
    """Return the names of the providers that `make live` can compare with their simulators."""
    return sorted(path.parent.name for path in Path(__file__).parent.glob("*/kit.py"))


def load_live_comparison_kit(name: str) -> LiveComparisonKit:
    return cast(LiveComparisonKit, import_module(f"localdev.live.{name}.kit").KIT)
