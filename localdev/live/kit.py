"""Define what a mail provider supplies so that `make live` can compare it with its simulator.

The folder `localdev/live/NAME/` of a provider has the module `kit` with a constant `KIT`. No other
module of `localdev.live` knows a provider.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, cast

from localdev.live.record import Recorder, Vocabulary
from mailsync.credentials.vault import SealingKey
from mailsync.model import AccountId, Provider
from mailsync.store.credential_store import CredentialStore


class LiveFailed(Exception):
    """The comparison cannot start or go on. The message says what to do."""


@dataclass(frozen=True, slots=True)
class SimulatedUpstream:
    """The simulated provider.

    upstream: as `LiveKit.sign_in` returns it.
    change_mailbox: changes mail as its owner would, so that a check finds something.
    stack_options: returns the options of a local stack whose provider is the relay at this URL.
    """

    upstream: Any
    change_mailbox: Callable[[], None]
    stack_options: Callable[[str], Mapping[str, Any]]


class LiveRelay(Protocol):
    """Interface of the relay between the product and the providers; a context manager.

    url: its URL for the product; "" if the product reaches it by settings alone.
    function_settings: settings of the functions, once all upstreams are added.
    """

    @property
    def url(self) -> str: ...

    @property
    def function_settings(self) -> Mapping[str, str]: ...

    def __enter__(self) -> "LiveRelay": ...

    def __exit__(self, *failure: object) -> None: ...

    def add_upstream(self, upstream: Any, recorder: Recorder) -> str:
        """Return the secret with which requests of the product reach this provider."""
        ...

    def send_probes(self, token: str) -> None:
        """Send requests that the provider rejects, so that its errors are recorded."""
        ...


class LiveKit(Protocol):
    """Interface of what a provider supplies."""

    provider: Provider
    vocabulary: Vocabulary

    def open_relay(self, folder: Path) -> LiveRelay:
        """Return the relay, which may keep files in the folder."""
        ...

    def connect(self, store: CredentialStore, key: SealingKey, token: str) -> AccountId:
        """Store an account whose credential is `token`, which the relay accepts in place of the
        user's credentials. The account has no email address."""
        ...

    def sign_in(self, environment: Mapping[str, str], recorder: Recorder) -> Any:
        """Print what the user has to do to sign in to the real provider, with permissions that only
        read, and wait for it.

        Raises:
            LiveFailed: a setting is missing, or the sign-in failed.
        """
        ...

    def simulate(
        self, folder: Path, recorder: Recorder, *, latency: str
    ) -> AbstractContextManager[SimulatedUpstream]:
        """Run the simulated provider with one mailbox and sign in to it."""
        ...


def live_kit_names() -> list[str]:
    """Return the names of the providers that have a kit."""
    return sorted(path.parent.name for path in Path(__file__).parent.glob("*/kit.py"))


def load_live_kit(name: str) -> LiveKit:
    return cast(LiveKit, import_module(f"localdev.live.{name}.kit").KIT)
