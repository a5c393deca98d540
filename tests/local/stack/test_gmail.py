"""A whole stack whose mailbox is one of Gmail, with a quota."""

from collections.abc import Iterator
from contextlib import closing

import httpx
import pytest

from localdev import demo
from localdev.__main__ import welcome_text
from localdev.simulators.service import SharedSimulatorState
from mailsync.settings import Settings
from mailsync.store.connection import connect as connect_database
from tests.local.mirror import Mirror
from tests.support.comparison import divergences
from tests.support.gmail_form import GmailForm
from tests.support.small_stack import MESSAGES, beside_other_stacks, small_stack

MESSAGE_UNITS = 20
UNITS_BESIDE_MESSAGES = 200


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Mirror, str]]:
    """After the demo, with what it printed."""
    own = small_stack(tmp_path_factory.mktemp("stack"), provider="gmail")
    with beside_other_stacks(), own as stack:
        with demo.rich_console.capture() as printed:
            assert demo.run_demo(stack) == 0
        yield Mirror.of(stack), printed.get()


@pytest.fixture
def gmail(shown: tuple[Mirror, str]) -> Mirror:
    return shown[0]


def test_the_demo_is_exact_and_the_quota_refuses_nothing(shown: tuple[Mirror, str]) -> None:
    gmail, printed = shown
    settings = Settings({"DATABASE_URL": gmail.stack.database_url})

    counted = gmail.control("GET", "gmail-quota")

    service = SharedSimulatorState(gmail.stack.data / "simulators")
    with closing(service.database), closing(connect_database(settings)) as tables:
        mailbox = service.find_mailbox(gmail.account.address)
        found = divergences(tables, gmail.account.id, mailbox, GmailForm(mailbox))
    # Gmail has its categories in every mailbox; the neutral mailbox has no folders for them.
    assert [each for each in found if not each.startswith("folder 'CATEGORY_")] == []
    assert counted["refused"] == {}
    assert counted["totalUnits"] < MESSAGE_UNITS * MESSAGES + UNITS_BESIDE_MESSAGES
    assert "units and refused 0 requests" in printed
    assert f"6,000 units per minute, {MESSAGES} messages take 1 minute" in printed


def test_it_prints_where_the_simulated_gmail_is_and_where_a_person_signs_in(gmail: Mirror) -> None:
    printed = welcome_text(gmail.stack)

    assert (
        f"Gmail      {gmail.stack.provider.lambda_environment_variables_for_google['GMAIL_URL']}\n"
        in printed
    )
    assert f"{gmail.stack.api_url}/api/auth/google in a browser" in printed


def test_the_dashboard_offers_a_sign_in_to_gmail_first(gmail: Mirror) -> None:
    dashboard = gmail.stack.dashboard_server.url
    offered = httpx.get(f"{dashboard}/data/overview", timeout=60).json()["signIns"]
    begun = httpx.get(f"{dashboard}/data/sign-in?provider=google", timeout=60)

    assert [each["title"] for each in offered] == ["Gmail", "Microsoft 365"]
    assert offered[0]["url"] == f"{gmail.stack.api_url}/api/auth/google"
    google = gmail.stack.provider.lambda_environment_variables_for_google["GOOGLE_IDENTITY_URL"]
    assert begun.headers["location"].startswith(google)
