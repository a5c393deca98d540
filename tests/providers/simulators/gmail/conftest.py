"""A simulated Gmail mailbox of its own for each test, with Gmail's default switches."""

import time
from collections.abc import Iterator
from contextlib import closing
from itertools import count

import pytest

from localdev.simulators import Simulators
from localdev.simulators.gmail.behaviour import GmailBehaviour
from tests.providers.simulators.gmail.client import GmailClient

_NUMBERS = count()


@pytest.fixture
def gmail(simulators: Simulators) -> Iterator[GmailClient]:
    simulators.gmail.behaviour = GmailBehaviour()
    simulators.gmail.quota.reset_counts()
    simulators.gmail.quota.clock = time.time
    mailbox = simulators.find_or_create_mailbox(f"ada{next(_NUMBERS)}@gmail.com")
    client = GmailClient(simulators, mailbox)
    with closing(client.http):
        yield client
    simulators.service.faults.remove_all_rules()
    simulators.gmail.behaviour = GmailBehaviour()
