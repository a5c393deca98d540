"""What became of a run, an event or a mailbox, as the pages say it."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.local.dashboard.browser.browsed_stack import BrowsedStack
from tests.local.dashboard.browser.conftest import WAIT_MS

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("browser")]
expect.set_options(timeout=WAIT_MS)

CLOSED = """
UPDATE mailsync.email_accounts SET status = 'reauth_required' WHERE email_address = '{}'
RETURNING 1"""
OUTDATED = """
DELETE FROM mailsync.schema_migrations
 WHERE version = (SELECT max(version) FROM mailsync.schema_migrations) RETURNING version"""
PURGING = """
INSERT INTO mailsync.email_accounts (user_id, provider, provider_account_id, email_address, status)
VALUES ('', 'microsoft', 'purging', '', 'purging') RETURNING 1"""
PURGED = "DELETE FROM mailsync.email_accounts WHERE status = 'purging' RETURNING 1"
UPDATED = "INSERT INTO mailsync.schema_migrations (version) VALUES (:version) RETURNING 1"
MORE_THAN_HALF = "node => node.value > node.max / 2"


def title(page: Page) -> Locator:
    return page.get_by_role("heading", level=1)


def rows(page: Page, caption: str) -> Locator:
    return page.get_by_role("table", name=caption).locator("tbody > tr")


def full_sync(mirror: BrowsedStack, page: Page) -> None:
    """Begin one that takes long, and open its page."""
    mirror.slow_small_pages()
    page.goto(f"/accounts/{mirror.account.id}")
    page.get_by_role("button", name="Full sync").click()
    page.get_by_role("link", name="See its run").click()


@pytest.mark.parametrize(
    ("kind", "detail", "outcome"),
    [
        ("email/microsoft.sync", '{"accountId": "nope"}', "refused: There is no account"),
        ("email/misspelt", "{}", "ignored: No rule of the bus has this type"),
        ("test/sync", "{}", "started"),
    ],
)
def test_an_event_shows_by_itself_what_became_of_it(
    page: Page, kind: str, detail: str, outcome: str
) -> None:
    page.goto("/events")
    page.get_by_text("Send an event").click()
    page.get_by_label("Type").fill(kind)
    page.get_by_label("Detail, as JSON").fill(detail)
    page.get_by_role("button", name="Send").click()

    expect(page.get_by_text("The list shows its outcome.")).to_be_visible()
    sent = rows(page, "Events, newest first").filter(has_text=kind).first
    expect(sent).to_contain_text(outcome)


def test_a_folder_that_is_gone_is_not_a_mailbox_without_folders(
    mirror: BrowsedStack, page: Page
) -> None:
    page.goto(f"/mailbox?accountId={mirror.account.id}&folder=999999")

    expect(page.get_by_text("This folder is gone. Choose another one.")).to_be_visible()


def test_a_name_that_turns_the_direction_of_text_leaves_the_address_as_it_is(
    mirror: BrowsedStack, page: Page
) -> None:
    sender = {"fromName": "\u202emoc.knab@ylper", "fromAddress": "mallory@example.org"}

    def disguise(route: Route) -> None:
        response = route.fetch()
        route.fulfill(response=response, json={**response.json(), **sender})

    ((message,),) = mirror.rows("SELECT min(id) FROM mailsync.emails")
    page.route(f"**/data/messages/{message}", disguise)
    page.goto(f"/mailbox?accountId={mirror.account.id}&message={message}")

    shown = page.locator(".reader dd").first.locator("bdi")
    expect(shown).to_have_text([*sender.values()])
    page.unroute_all(behavior="wait")


def test_an_account_that_is_being_deleted_is_named_and_is_not_the_mailbox_of_first_choice(
    mirror: BrowsedStack, page: Page
) -> None:
    mirror.rows(PURGING)
    page.goto("/accounts")
    page.get_by_role("link", name="(being deleted)").click()
    expect(title(page)).to_contain_text("(being deleted)")
    page.get_by_role("link", name="Mailbox", exact=True).click()

    expect(page.get_by_label("Account")).to_have_value(mirror.account.address)
    mirror.rows(PURGED)


@pytest.fixture
def outdated(mirror: BrowsedStack) -> Iterator[None]:
    """The database looks as if the last migration had not run."""
    ((version,),) = mirror.rows(OUTDATED)
    yield
    mirror.rows(UPDATED, version=version)


@pytest.mark.usefixtures("outdated")
def test_a_failed_run_says_one_sentence(page: Page) -> None:
    page.goto("/")
    page.get_by_role("button", name="Run self-test").click()
    page.get_by_role("link", name="See its run").click()

    expect(title(page)).to_have_text("test-sync failed")
    error = page.locator("p.error")
    expect(error).to_contain_text("SchemaOutdated: ")
    expect(error).not_to_contain_text("stackTrace")
    expect(error).not_to_contain_text("{")


def test_an_open_run_shows_how_far_it_is(mirror: BrowsedStack, page: Page) -> None:
    """The full sync reads mail that is stored already."""
    full_sync(mirror, page)
    bar = page.get_by_role("progressbar", name="Mail of this run")

    expect(bar).to_be_visible()
    assert not bar.evaluate(MORE_THAN_HALF)
    mirror.latency()
    expect(title(page)).to_have_text("mailbox-sync completed")
    expect(bar).to_have_count(0)


def test_a_cancelled_run_is_no_error(mirror: BrowsedStack, page: Page) -> None:
    full_sync(mirror, page)
    expect(rows(page, "Steps in the order").get_by_text("running").first).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    mirror.latency()

    expect(title(page)).to_have_text("mailbox-sync cancelled")
    expect(page.get_by_text("A person stopped the sync")).to_be_visible()
    expect(rows(page, "Steps in the order").get_by_text("cancelled").first).to_be_visible()
    expect(rows(page, "Steps in the order").get_by_text("running")).to_have_count(0)
    expect(page.locator("main .error, main .is-bad, .error-cell:not(:empty)")).to_have_count(0)
    page.goto("/runs")
    newest = rows(page, "Runs, newest first").first
    expect(newest).to_contain_text("cancelled")
    expect(newest.locator(".error-cell")).to_have_count(0)


def test_a_mailbox_that_lost_its_access_is_connected_again(
    mirror: BrowsedStack, page: Page
) -> None:
    account_id, run_id = mirror.account.id, mirror.synced()["id"]
    mirror.rows(CLOSED.format(mirror.account.address))
    again = page.get_by_role("link", name="Connect again")
    for path in (
        *("/accounts?status=reauth_required", f"/mailbox?accountId={account_id}"),
        *(f"/runs/{run_id}", f"/accounts/{account_id}"),
    ):
        page.goto(path)
        expect(again).to_be_visible()
    expect(page.get_by_role("button", name="Sync", exact=True)).to_have_count(0)

    again.click()
    page.get_by_role("button", name=mirror.account.address).click()
    page.wait_for_url(f"{mirror.url}/**")

    assert mirror.finished()["status"] == "active"
