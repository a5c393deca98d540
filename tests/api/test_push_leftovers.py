"""One subscription of a mailbox at the provider while it is connected, none afterwards: whatever
the provider answered, and whoever else subscribed to it or to another mailbox."""

import json
from collections.abc import Iterator
from threading import Event
from threading import enumerate as threads
from typing import Any

import pytest

from localdev.simulators import Simulators
from localdev.simulators.faults import Fault
from localdev.simulators.service import TENANT_ID
from mailsync.credentials import HeldAccess, last_access
from mailsync.errors import StoreUnavailable
from mailsync.settings import load_settings
from mailsync.store.push_store import PushStore
from mailsync.sync import push
from tests.api.conftest import Ask, Sql
from tests.api.renewing import NOTHING, ONE_FAILED, ONE_MADE, tick
from tests.api.subscribed import ALL, LIST, ONE, Subscribed
from tests.providers.simulators.subscriber import Subscriber

GONE = {str(status): Fault(status=status, code="NotFound") for status in (400, 404, 410)}
AWAY = {**GONE, "503": Fault(status=503, body="")}
UNHEARD = Fault(cut="before answer")


@pytest.fixture(params=["a person", "an organisation"])
def ann(
    request: pytest.FixtureRequest,
    environment: pytest.MonkeyPatch,
    ask_connect: Ask,
    identity: Simulators,
    sql: Sql,
) -> Iterator[Subscribed]:
    """Mirrored, let in by the parameter, and without a subscription yet."""
    subscriber = Subscriber()
    environment.setenv("PUBLIC_URL", subscriber.url.removesuffix("/hook"))
    environment.setenv("MICROSOFT_TENANTS", TENANT_ID)
    ann = Subscribed(identity, subscriber, ask_connect, sql)
    if request.param == "a person":
        ann.sign_in("ann")
    else:
        ann.let_in()
    yield ann
    subscriber.stop()
    for each in identity.notifier.subscriptions():
        identity.notifier.expire(each["mailbox_id"])


@pytest.fixture
def subscribed(ann: Subscribed) -> Subscribed:
    """The same, notified of, and to be renewed."""
    assert tick() == ONE_MADE
    ann.make_due()
    return ann


@pytest.mark.parametrize("fault", GONE.values(), ids=GONE.keys())
def test_one_that_is_said_to_be_gone_and_is_not_leaves_one_alive_and_a_disconnection_none(
    subscribed: Subscribed, fault: Fault
) -> None:
    before = subscribed.held()
    subscribed.strike("PATCH", ONE, fault)

    assert tick() == ONE_MADE

    assert subscribed.alive() == subscribed.held() != before
    subscribed.disconnect()
    assert subscribed.alive() == []


@pytest.mark.parametrize("fault", AWAY.values(), ids=AWAY.keys())
def test_a_disconnection_is_not_fooled_either(subscribed: Subscribed, fault: Fault) -> None:
    subscribed.strike("DELETE", ONE, fault)

    subscribed.disconnect()

    assert subscribed.alive() == []


@pytest.mark.parametrize("fault", AWAY.values(), ids=AWAY.keys())
def test_what_is_found_is_ended_in_a_second_try(ann: Subscribed, fault: Fault) -> None:
    ann.subscribe("ann")
    ann.strike("DELETE", ONE, fault)

    assert tick() == ONE_MADE

    assert ann.alive() == ann.held()


def test_one_whose_making_was_answered_by_nothing_is_ended_after_the_next_is_made(
    ann: Subscribed,
) -> None:
    ann.strike("POST", ALL, UNHEARD)
    assert tick() == ONE_FAILED
    lost = ann.alive()
    ann.make_due()

    assert tick() == ONE_MADE

    assert ann.alive() == ann.held() != lost


def test_a_disconnection_before_that_ends_it_too(ann: Subscribed) -> None:
    ann.strike("POST", ALL, UNHEARD)
    assert tick() == ONE_FAILED

    ann.disconnect()

    assert ann.alive() == []


class Death(BaseException):
    pass


@pytest.mark.parametrize("failure", [Death, StoreUnavailable], ids=["death", "no database"])
@pytest.mark.parametrize("replaces", [False, True], ids=["the first", "another"])
def test_a_death_before_a_new_one_is_stored_leaves_one_alive_after_the_next_claim(
    *, ann: Subscribed, monkeypatch: pytest.MonkeyPatch, failure: type[Exception], replaces: bool
) -> None:
    """Also when the one that was said to be gone is back by then, and is renewed."""
    if replaces:
        tick()
        ann.make_due()
        ann.strike("PATCH", ONE, GONE["404"])

    def die(*_: object) -> None:
        raise failure

    with monkeypatch.context() as dying:
        dying.setattr(PushStore, "made", die)
        dying.setattr(PushStore, "failed", die)
        with pytest.raises(failure):
            tick()
    ann.make_due()

    assert tick() == ONE_MADE

    assert ann.alive() == ann.held()


def answered(**body: Any) -> Fault:
    return Fault(status=200, body=json.dumps(body))


ELSEWHERE = {"value": [], "@odata.nextLink": "https://example.org/v1.0/subscriptions"}
LISTS = {
    "denied": Fault(status=403, code="ExtensionError"),
    "empty": answered(value=[]),
    "endless": Fault(page="ever empty"),
    "short": Fault(page="no link"),
    "elsewhere": answered(**ELSEWHERE),
    "half": Fault(truncate_json=True),
}


@pytest.mark.parametrize("fault", LISTS.values(), ids=LISTS.keys())
def test_a_list_that_fails_or_lacks_something_keeps_nobody_from_being_notified(
    subscribed: Subscribed, monkeypatch: pytest.MonkeyPatch, fault: Fault
) -> None:
    """What is replaced is known by its id, so it needs no list."""
    monkeypatch.setattr("mailsync.providers.retry_budget.MAX_PAUSES", 0)
    subscribed.provider.service.set_behaviour(subscriptions_page=1)
    subscribed.strike("PATCH", ONE, GONE["404"])
    subscribed.strike("GET", LIST, fault, times=None)

    assert tick() == ONE_MADE

    assert subscribed.alive() == subscribed.held()
    failed = "SELECT failures, last_error FROM mailsync.provider_subscriptions"
    assert subscribed.sql(failed) == [[0, None]]


def test_no_subscription_of_another_stage_mailbox_or_user_is_touched(
    subscribed: Subscribed,
) -> None:
    """Wherever they stand in a list of many pages."""
    subscribed.provider.service.set_behaviour(subscriptions_page=1)
    subscribed.strike("PATCH", ONE, GONE["404"])
    subscribed.sign_in("another user of the application")
    assert tick() == {"renewed": 2, "failed": 0}
    other_stage = subscribed.subscriber.url
    others = {
        subscribed.held()[1],
        subscribed.subscribe("ann", url=other_stage),
        subscribed.subscribe("app", "/users/{ann}/messages", other_stage),
        subscribed.subscribe("app", "/users/{bo}/messages"),
        subscribed.subscribe("bo"),
    }
    subscribed.subscribe("ann")
    subscribed.make_due()
    subscribed.strike("PATCH", ONE, GONE["404"])

    assert tick() == ONE_MADE

    assert sorted(subscribed.alive()) == sorted({*others, subscribed.held()[0]})
    subscribed.disconnect()
    assert sorted(subscribed.alive()) == sorted(others)


def test_the_application_ends_what_a_person_or_it_left_in_the_same_mailbox(
    ann: Subscribed,
) -> None:
    """A person is not shown what the application made for itself."""
    ann.let_in()
    ann.subscribe("ann")
    ann.subscribe("app", "Users/{ann}/messages")
    ann.subscribe("app", "/users/{ann}/mailFolders('inbox')/messages")

    assert tick() == ONE_MADE

    assert ann.alive() == ann.held()


def test_one_that_another_user_is_about_to_have_of_the_same_mailbox_is_left_to_that_claim(
    subscribed: Subscribed,
) -> None:
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


def test_one_that_is_refused_since_a_leftover_is_in_its_way_is_made_after_that_is_ended(
    ann: Subscribed,
) -> None:
    leftover = ann.subscribe("ann")
    ann.strike("POST", ALL, Fault(status=409, code="Conflict"))

    assert tick() == ONE_MADE

    assert ann.alive() == ann.held() != [leftover]


def test_a_new_public_address_leaves_nothing_at_the_old_one_even_if_it_works_later_only(
    subscribed: Subscribed, environment: pytest.MonkeyPatch
) -> None:
    """Until then the old one goes on."""
    before = subscribed.held()
    environment.setenv("PUBLIC_URL", subscribed.subscriber.url.replace("/hook", "/new"))
    load_settings.cache_clear()
    subscribed.subscriber.echoes = False
    assert tick() == ONE_FAILED
    assert subscribed.alive() == subscribed.held() == before
    subscribed.subscriber.echoes = True
    subscribed.make_due()

    assert tick() == ONE_MADE

    assert subscribed.alive() == subscribed.held() != before


def test_a_new_public_address_leaves_nothing_unknown_at_the_old_one_either(
    subscribed: Subscribed,
) -> None:
    old_url = subscribed.subscriber.url
    subscribed.subscribe("ann", url=old_url)
    subscribed.sql(f"UPDATE mailsync.provider_subscriptions SET callback_url = '{old_url}'")

    assert tick() == ONE_MADE

    assert subscribed.alive() == subscribed.held()


OTHERS = {
    "another": {"id": "another"},
    "elsewhere": {"notificationUrl": "https://other.example.org/api/webhooks/microsoft"},
}


@pytest.mark.parametrize("said", OTHERS.values(), ids=OTHERS.keys())
def test_a_renewal_that_is_answered_with_another_subscription_counts_as_gone(
    subscribed: Subscribed, said: dict[str, str]
) -> None:
    before = subscribed.held()
    answer = answered(expirationDateTime="2099-01-01T00:00:00Z", **said)
    subscribed.strike("PATCH", ONE, answer)

    assert tick() == ONE_MADE

    assert subscribed.alive() == subscribed.held() != before


def test_a_renewal_until_yesterday_is_not_asked_for_all_the_time(subscribed: Subscribed) -> None:
    answer = answered(expirationDateTime="2020-01-01T00:00:00Z")
    subscribed.strike("PATCH", ONE, answer, times=None)

    assert tick() == ONE_MADE
    assert tick() == NOTHING


def test_a_renewal_is_one_request_and_a_list_is_paid_for_what_is_new_only(ann: Subscribed) -> None:
    with ann.watched() as made:
        tick()
    ann.make_due()
    with ann.watched() as renewed:
        tick()
    with ann.watched() as ended:
        ann.disconnect()

    assert made == [("POST", 201), ("GET", 200)]
    assert renewed == [("PATCH", 200)]
    assert ended == [("DELETE", 204), ("GET", 200)]


def test_a_disconnection_that_is_too_slow_sends_nothing_once_it_was_left_behind(
    subscribed: Subscribed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread may go on much later, when the same mailbox is connected and notified of again."""
    left_behind = Event()

    def slow(*arguments: Any) -> HeldAccess:
        access = last_access(*arguments)
        left_behind.wait(10)
        return access

    monkeypatch.setattr(push, "END_S", 0.3)
    monkeypatch.setattr(push, "last_access", slow)

    with subscribed.watched() as requests:
        subscribed.disconnect()
        left_behind.set()
        for each in threads():
            if each.name.startswith("end-push"):
                each.join()

    assert requests == []


def test_a_tick_looks_for_leftovers_within_its_time_and_ends_what_it_knows_after_that(
    subscribed: Subscribed, monkeypatch: pytest.MonkeyPatch
) -> None:
    subscribed.strike("PATCH", ONE, GONE["404"])
    monkeypatch.setattr(push, "LEFTOVERS_S", 0.0)

    with subscribed.watched() as requests:
        assert tick() == ONE_MADE

    assert requests == [("PATCH", 404), ("POST", 201), ("DELETE", 204)]
    assert subscribed.alive() == subscribed.held()
