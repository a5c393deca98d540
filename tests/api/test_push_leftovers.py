"""One subscription of a mailbox at the provider while it is connected, none afterwards: whatever
the provider responds, and whatever else subscribed to it or to another mailbox."""

import json
from threading import Event
from threading import enumerate as threads
from typing import Any

import pytest

from localdev.simulators.faults import Fault
from mailsync.credentials import FixedAccessTokenSource, make_fixed_token_source_without_lock
from mailsync.errors import StoreUnavailable
from mailsync.providers.graph.kit import GraphPushKit
from mailsync.settings import load_settings
from mailsync.store.push_store import PushStore
from mailsync.sync import push
from tests.api.subscriptions import (
    ALL,
    LIST,
    NO_WORK,
    ONE,
    ONE_FAILED,
    ONE_MADE,
    TOKEN_ENDS,
    Subscribed,
    tick,
)

GONE = {str(status): Fault(status=status, code="NotFound") for status in (400, 404, 410)}
AWAY = {**GONE, "503": Fault(status=503, body="")}


@pytest.fixture(params=["a person", "an organisation"])
def ann(request: pytest.FixtureRequest, mailbox: Subscribed) -> Subscribed:
    """Mirrored, connected by the parameter, and without a subscription yet."""
    if request.param == "a person":
        mailbox.sign_in("ann")
    else:
        mailbox.connect_for_organisation()
    return mailbox


@pytest.fixture
def subscribed(ann: Subscribed) -> Subscribed:
    """The same with a subscription that is to be renewed."""
    assert tick() == ONE_MADE
    ann.renew_now()
    return ann


@pytest.mark.parametrize("fault", GONE.values(), ids=GONE.keys())
def test_one_wrongly_reported_gone_leaves_one_alive_and_a_disconnection_none(
    subscribed: Subscribed, fault: Fault
) -> None:
    before = subscribed.known()
    subscribed.inject_fault("PATCH", ONE, fault)

    assert tick() == ONE_MADE

    assert subscribed.alive() == subscribed.known() != before
    subscribed.disconnect()
    assert subscribed.alive() == []


@pytest.mark.parametrize("fault", AWAY.values(), ids=AWAY.keys())
def test_a_disconnection_ends_one_reported_gone(subscribed: Subscribed, fault: Fault) -> None:
    subscribed.inject_fault("DELETE", ONE, fault)

    subscribed.disconnect()

    assert subscribed.alive() == []


@pytest.mark.parametrize("fault", AWAY.values(), ids=AWAY.keys())
def test_a_leftover_is_ended_in_a_second_try(ann: Subscribed, fault: Fault) -> None:
    ann.subscribe("ann")
    ann.inject_fault("DELETE", ONE, fault)

    assert tick() == ONE_MADE

    assert ann.alive() == ann.known()


@pytest.mark.parametrize("disconnects", [False, True], ids=["the next", "a disconnection"])
def test_one_created_without_a_response_is_ended_by(ann: Subscribed, disconnects: bool) -> None:
    ann.inject_fault("POST", ALL, Fault(cut="before answer"))
    assert tick() == ONE_FAILED
    lost = ann.alive()

    if disconnects:
        ann.disconnect()
    else:
        ann.renew_now()
        assert tick() == ONE_MADE

    assert ann.alive() == ann.known() != lost


class Death(BaseException):
    pass


@pytest.mark.parametrize("failure", [Death, StoreUnavailable], ids=["death", "no database"])
@pytest.mark.parametrize("replaces", [False, True], ids=["the first", "another"])
def test_a_death_before_a_new_one_is_stored_leaves_one_alive_after_the_next_claim(
    *, ann: Subscribed, monkeypatch: pytest.MonkeyPatch, failure: type[Exception], replaces: bool
) -> None:
    """Also when the one that was reported gone is back by then, and is renewed."""
    if replaces:
        tick()
        ann.renew_now()
        ann.inject_fault("PATCH", ONE, GONE["404"])

    def die(*_: object) -> None:
        raise failure

    with monkeypatch.context() as dying:
        dying.setattr(PushStore, "save_created_subscription", die)
        dying.setattr(PushStore, "schedule_subscription_retry", die)
        with pytest.raises(failure):
            tick()
    ann.renew_now()

    assert tick() == ONE_MADE

    assert ann.alive() == ann.known()


def body_of(**body: Any) -> Fault:
    return Fault(status=200, body=json.dumps(body))


LISTS = {
    "denied": Fault(status=403, code="ExtensionError"),
    "empty": body_of(value=[]),
    "endless": Fault(page="ever empty"),
    "short": Fault(page="no link"),
    "elsewhere": body_of(
        **{"value": [], "@odata.nextLink": "https://example.org/v1.0/subscriptions"}
    ),
    "half": Fault(truncate_json=True),
}


@pytest.mark.parametrize("fault", LISTS.values(), ids=LISTS.keys())
def test_a_failed_or_incomplete_list_prevents_no_subscription(
    subscribed: Subscribed, monkeypatch: pytest.MonkeyPatch, fault: Fault
) -> None:
    """What is replaced is known by its id, so it needs no list."""
    monkeypatch.setattr("mailsync.providers.retry_budget.MAX_PAUSES_PER_REQUEST", 0)
    subscribed.microsoft.service.set_microsoft_behaviour_switches(subscriptions_per_page=1)
    subscribed.inject_fault("PATCH", ONE, GONE["404"])
    subscribed.inject_fault("GET", LIST, fault, times=None)

    assert tick() == ONE_MADE

    assert subscribed.alive() == subscribed.known()
    failed = "SELECT failures, last_error FROM mailsync.provider_subscriptions"
    assert subscribed.sql(failed) == [[0, None]]


def test_subscriptions_of_other_stages_mailboxes_and_users_stay(subscribed: Subscribed) -> None:
    """Wherever they stand in a list of many pages."""
    subscribed.microsoft.service.set_microsoft_behaviour_switches(subscriptions_per_page=1)
    subscribed.inject_fault("PATCH", ONE, GONE["404"])
    subscribed.sign_in("another user of the application")
    assert tick() == {"renewed": 2, "failed": 0}
    other_stage = subscribed.subscriber.url
    others = {
        subscribed.known()[1],
        subscribed.subscribe("ann", url=other_stage),
        subscribed.subscribe("app", "/users/{ann}/messages", other_stage),
        subscribed.subscribe("app", "/users/{bo}/messages"),
        subscribed.subscribe("bo"),
    }
    subscribed.subscribe("ann")
    subscribed.renew_now()
    subscribed.inject_fault("PATCH", ONE, GONE["404"])

    assert tick() == ONE_MADE

    assert sorted(subscribed.alive()) == sorted({*others, subscribed.known()[0]})
    subscribed.disconnect()
    assert sorted(subscribed.alive()) == sorted(others)


def test_the_application_ends_all_leftovers_in_the_same_mailbox(ann: Subscribed) -> None:
    """A person is not shown what the application made for itself."""
    ann.connect_for_organisation()
    ann.subscribe("ann")
    ann.subscribe("app", "Users/{ann}/messages")
    ann.subscribe("app", "/users/{ann}/mailFolders('inbox')/messages")

    assert tick() == ONE_MADE

    assert ann.alive() == ann.known()


def test_another_users_claim_keeps_what_it_just_made(subscribed: Subscribed) -> None:
    """It is made and in no row yet."""
    subscribed.sign_in("another user of the application")
    subscribed.sql(
        "INSERT INTO mailsync.provider_subscriptions (account_id, callback_url, next_try_at)"
        " SELECT id, 'https://example.org', now() + interval '9 minutes'"
        f" FROM mailsync.email_accounts WHERE id <> '{subscribed.account_id}'"
    )
    made = subscribed.subscribe("ann")

    subscribed.disconnect()

    assert subscribed.alive() == [made]


def test_a_leftover_that_is_in_the_way_is_ended_first(ann: Subscribed) -> None:
    leftover = ann.subscribe("ann")
    ann.inject_fault("POST", ALL, Fault(status=409, code="Conflict"))

    assert tick() == ONE_MADE

    assert ann.alive() == ann.known() != [leftover]


def test_a_new_public_address_leaves_nothing_at_the_old_one_once_it_works(
    subscribed: Subscribed, environment: pytest.MonkeyPatch
) -> None:
    """Until then the old one goes on; another one there, which no row holds, ends at once."""
    before = subscribed.known()
    subscribed.subscribe("ann")
    environment.setenv("PUBLIC_URL", subscribed.subscriber.url.replace("/hook", "/new"))
    load_settings.cache_clear()
    subscribed.subscriber.echoes = False
    assert tick() == ONE_FAILED
    assert subscribed.alive() == subscribed.known() == before
    subscribed.subscriber.echoes = True
    subscribed.renew_now()

    assert tick() == ONE_MADE

    assert subscribed.alive() == subscribed.known() != before


OTHERS = {
    "another": {"id": "another"},
    "elsewhere": {"notificationUrl": "https://other.example.org/api/webhooks/microsoft"},
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS.keys())
def test_a_renewal_that_returns_another_subscription_counts_as_gone(
    subscribed: Subscribed, other: dict[str, str]
) -> None:
    before = subscribed.known()
    response = body_of(expirationDateTime="2099-01-01T00:00:00Z", **other)
    subscribed.inject_fault("PATCH", ONE, response)

    assert tick() == ONE_MADE

    assert subscribed.alive() == subscribed.known() != before


def test_a_renewal_until_yesterday_is_not_repeated_all_the_time(subscribed: Subscribed) -> None:
    response = body_of(expirationDateTime="2020-01-01T00:00:00Z")
    subscribed.inject_fault("PATCH", ONE, response, times=None)

    assert tick() == ONE_MADE
    assert tick() == NO_WORK


def test_a_renewal_is_one_request_and_only_a_new_one_costs_a_list(ann: Subscribed) -> None:
    """Also when a token must be requested for it."""
    with ann.requests() as made:
        tick()
    ann.renew_now()
    ann.sql(TOKEN_ENDS)
    with ann.requests() as renewed:
        tick()
    ann.sql(TOKEN_ENDS)
    with ann.requests() as ended:
        ann.disconnect()

    assert made == [("POST", 201), ("GET", 200)]
    assert renewed == [("PATCH", 200)]
    assert ended == [("DELETE", 204), ("GET", 200)]
    assert ann.sql("SELECT * FROM mailsync.email_credentials") == []


def test_a_disconnection_that_timed_out_sends_nothing_afterwards(
    subscribed: Subscribed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread may go on much later, when the same mailbox is connected and notified of again."""
    left_behind = Event()

    def slow(*arguments: Any) -> FixedAccessTokenSource:
        access = make_fixed_token_source_without_lock(*arguments)
        left_behind.wait(10)
        return access

    monkeypatch.setattr(push, "END_SUBSCRIPTION_TIMEOUT_S", 0.3)
    monkeypatch.setattr(push, "make_fixed_token_source_without_lock", slow)

    with subscribed.requests() as requests:
        subscribed.disconnect()
        left_behind.set()
        for each in threads():
            if each.name.startswith("end-push"):
                each.join()

    assert requests == []


def test_a_tick_out_of_time_for_leftovers_still_ends_what_it_knows(
    subscribed: Subscribed, monkeypatch: pytest.MonkeyPatch
) -> None:
    subscribed.inject_fault("PATCH", ONE, GONE["404"])
    monkeypatch.setattr(GraphPushKit, "leftover_subscription_search_timeout_s", 0.0)

    with subscribed.requests() as requests:
        assert tick() == ONE_MADE

    assert requests == [("PATCH", 404), ("POST", 201), ("DELETE", 204)]
    assert subscribed.alive() == subscribed.known()
