"""The guide's checklist, walked in a browser as a person would."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.local.dashboard.browser.browsed_stack import BrowsedStack
from tests.local.dashboard.browser.conftest import WAIT_MS
from tests.local.mirror import when

pytestmark = pytest.mark.xdist_group("browser")
expect.set_options(timeout=WAIT_MS)

NEWCOMER = "grace@example.com"


def title(page: Page) -> Locator:
    return page.get_by_role("heading", level=1)


def rows(page: Page, caption: str) -> Locator:
    return page.get_by_role("table", name=caption).locator("tbody > tr")


def step(page: Page, label: str) -> Locator:
    """The newest step of that label: a folder that takes long is worked on in several."""
    steps = rows(page, "Steps in the order")
    return steps.filter(has=page.get_by_role("button", name=label)).last


def test_the_self_test_runs_and_shows_three_completed_steps(page: Page) -> None:
    page.goto("/")

    page.get_by_role("button", name="Run self-test").click()
    page.get_by_role("link", name="See its run").click()

    expect(title(page)).to_have_text("test-sync completed")
    steps = rows(page, "Steps in the order")
    expect(steps.get_by_role("button")).to_have_text(
        ["reach-database", "reach-provider", "write-and-read"]
    )
    expect(steps.get_by_text("succeeded")).to_have_count(3)


def test_a_connected_mailbox_appears_and_syncs_by_itself(mirror: BrowsedStack, page: Page) -> None:
    mirror.control("POST", "mailboxes", address=NEWCOMER, display_name="Grace")
    for number in range(3):
        mirror.control("POST", "deliver", mailbox=NEWCOMER, subject=f"Welcome {number}")
    page.goto("/")

    page.get_by_role("link", name="sign in yourself").click()
    page.get_by_role("button", name=NEWCOMER).click()

    expect(page).to_have_url(re.compile(rf"^{mirror.url}/mailbox\?accountId="))
    expect(page.get_by_label("Account")).to_have_value(NEWCOMER)
    expect(page.locator(".messages li")).to_have_count(3)
    page.goto(page.url.replace("/mailbox?", "/accounts?"))
    expect(title(page)).to_contain_text(NEWCOMER)
    rows(page, "Newest runs").get_by_role("link", name="mailbox-sync").click()
    for done in ("validate-account", "sync-folders", "recalculate-counts", "mark-complete"):
        expect(step(page, done)).to_contain_text("succeeded")
    inbox = rows(page, "What the run did in each folder").filter(has_text="Inbox")
    expect(inbox).to_contain_text("completed")
    expect(title(page)).to_have_text("mailbox-sync completed")
    assert mirror.initial_sync_completed(NEWCOMER)


def test_the_mailbox_shows_a_failed_sign_in_and_how_far_a_sync_is(
    mirror: BrowsedStack, page: Page
) -> None:
    page.goto("/mailbox?error=access_denied&error_description=You+declined")
    expect(page.get_by_role("alert")).to_have_text("No mailbox was connected: You declined")
    mirror.latency(1)

    page.goto(f"/mailbox?accountId={mirror.account.id}")
    mirror.account.sync()

    expect(page.get_by_role("link", name=re.compile("^(queued|syncing)$"))).to_be_visible()
    expect(page.get_by_role("progressbar", name="Mail stored")).to_be_visible()
    mirror.latency()
    expect(page.get_by_role("progressbar", name="Mail stored")).to_have_count(0)


def test_all_mail_is_here_and_every_count_is_the_providers(
    mirror: BrowsedStack, page: Page
) -> None:
    there = mirror.provider_counts()
    page.goto(f"/accounts/{mirror.account.id}")

    folders = rows(page, "Folders and their verification")
    expect(folders.first).to_be_visible()
    shown: dict[str, int] = {}
    for row in folders.all():
        name, stored = row.locator("th").inner_text(), row.locator("td").first.inner_text()
        ours, theirs = (int(each) for each in re.findall(r"\d+", stored))
        assert ours == theirs
        shown[name] = shown.get(name, 0) + ours

    assert shown == there
    expect(page.get_by_text("complete and verified")).to_be_visible()
    assert len(listed_inbox(mirror, page)) == there["Inbox"]


def listed_inbox(mirror: BrowsedStack, page: Page) -> list[str]:
    """The subjects of every page of the inbox."""
    page.goto(f"/mailbox?accountId={mirror.account.id}")
    older = page.get_by_role("link", name="Older")
    messages = page.get_by_role("region", name="Messages of Inbox").locator("li")
    found: list[str] = []
    while True:
        expect(messages.first).to_be_visible()
        first = messages.first.inner_text()
        found += messages.locator(".subject").all_inner_texts()
        if not older.count():
            return found
        older.click()
        expect(messages.first).not_to_have_text(first, use_inner_text=True)


def test_one_new_mail_makes_a_quick_sync_of_that_mail_alone(
    mirror: BrowsedStack, page: Page
) -> None:
    page.goto(f"/accounts/{mirror.account.id}")
    page.get_by_role("button", name="Simulator").click()
    page.get_by_label("Mailbox").fill(mirror.account.address)
    page.get_by_label("Subject").fill("News of today")
    page.get_by_role("button", name="Deliver").click()
    expect(page.get_by_text("Delivered to the provider.")).to_be_visible()

    page.get_by_role("button", name="Sync", exact=True).click()
    page.get_by_role("link", name="See its run").click()

    expect(title(page)).to_have_text("mailbox-sync completed")
    run = mirror.data(page.url.removeprefix(f"{mirror.url}/"))
    assert run["durationMs"] < 10_000
    assert [(each["displayName"], each["inserted"]) for each in run["folders"]] == [("Inbox", 1)]
    page.goto(f"/mailbox?accountId={mirror.account.id}")
    expect(page.locator(".messages li").first).to_contain_text("News of today")


@pytest.mark.long
def test_a_cut_network_is_seen_and_the_sync_goes_on_where_it_failed(
    mirror: BrowsedStack, page: Page
) -> None:
    mirror.slow_small_pages()
    page.goto(f"/accounts/{mirror.account.id}")
    page.get_by_role("button", name="Simulator").click()
    page.get_by_role("button", name="Full sync").click()
    page.get_by_role("link", name="See its run").click()
    expect(step(page, "sync-folder: Inbox")).to_contain_text("running")
    when(mirror.is_within_inbox)

    page.get_by_role("button", name="Cut network").click()
    expect(step(page, "sync-folder: Inbox")).to_contain_text("attempts")
    page.get_by_role("button", name="sync-folder: Inbox").last.click()
    expect(rows(page, "Attempts").first).to_contain_text("ProviderUnavailable")
    expect(page.get_by_text(re.compile("^(Now|Next):"))).to_be_visible()
    page.get_by_role("button", name="Restore network").click()
    mirror.latency()

    expect(step(page, "sync-folder: Inbox")).to_contain_text("succeeded")
    expect(title(page)).to_have_text("mailbox-sync completed")
    expect(step(page, "sync-folder: Inbox")).to_contain_text("attempts")
    again = mirror.pages_requested_again()
    assert again
    assert all(len(pages) == 1 for pages in again.values()), "only what failed is requested again"
    assert mirror.divergences() == []
