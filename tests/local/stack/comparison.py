"""The simulated mailbox of a running stack and its tables, brought to one form."""

from types import SimpleNamespace
from typing import Any

from localdev.demo_account import simulator
from tests.local.stack.conftest import Mirror
from tests.support import comparison

Mail = dict[str, dict[str, Any]]


def stored(mirror: Mirror) -> Mail:
    return comparison.stored(mirror.rows, mirror.account.id)


def in_mailbox(mirror: Mirror) -> Mail:
    provider, address = mirror.stack.provider, mirror.account.address
    state = simulator(provider, "GET", "state")["mailboxes"][0]
    messages: Any = (
        SimpleNamespace(**message)
        for folder in state["folders"]
        for message in simulator(
            provider, "GET", f"messages?mailbox={address}&folder={folder['id']}"
        )
    )
    return {message.immutable_id: comparison.as_stored(message) for message in messages}
