"""Define what a mail provider supplies so that `make live` can compare it with its simulator.

The folder `localdev/live/NAME/` of a provider has the module `kit` with a constant `KIT`. No other
module of `localdev.live` knows a provider.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from ssl import SSLContext
from typing import Any, Protocol, cast

from localdev.live.record import Exchange, Recorder, Vocabulary
from mailsync.model import Provider


class LiveFailed(Exception):
    """The comparison cannot start or go on. The message says what to do."""


@dataclass(frozen=True, slots=True)
class RelayedRequest:
    """An HTTP request below the base URL of the provider. target: path and query."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Received:
    """The response to a relayed request. status: 0 if the connection failed. document: the parsed
    body; None: it is no JSON."""

    status: int
    headers: Mapping[str, str]
    document: Any
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """A provider that the relay sends requests to.

    current_token: returns the user's access token; with True a renewed one.
    """

    base_url: str
    trust: SSLContext
    current_token: Callable[[bool], str]


@dataclass(frozen=True, slots=True)
class SimulatedUpstream:
    """The simulated provider.

    change_mailbox: changes mail as its owner would, so that a check finds something.
    stack_options: returns the options of a local stack whose provider is the relay at this URL.
    """

    upstream: Upstream
    change_mailbox: Callable[[], None]
    stack_options: Callable[[str], Mapping[str, Any]]


class LiveKit(Protocol):
    """Interface of what a provider supplies.

    probes: paths of requests that the provider rejects, so that its errors are recorded.
    """

    provider: Provider
    vocabulary: Vocabulary
    probes: tuple[str, ...]

    def is_read(self, request: RelayedRequest) -> bool:
        """Return whether the request only reads. The relay rejects all others."""
        ...

    def describe(self, request: RelayedRequest, received: Received) -> list[Exchange]:
        """Return the exchanges in one response: the response itself, and the items of a batch."""
        ...

    def replace_links(self, document: Any, base_url: str, relay_url: str) -> bool:
        """Replace `base_url` in the page links of the document, in place, so that the product
        follows the links through the relay. Return whether there was a link."""
        ...

    def sign_in(self, environment: Mapping[str, str], recorder: Recorder) -> Upstream:
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
