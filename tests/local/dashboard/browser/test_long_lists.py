"""Lists that are longer than a screen: what they leave out, what they cost, what stays in view."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.local.dashboard.browser.browsed_stack import BrowsedStack
from tests.local.dashboard.browser.conftest import WAIT_MS

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("browser")]
expect.set_options(timeout=WAIT_MS)

ACCOUNTS, FOLDERS = 1200, 450
MANY_ACCOUNTS = f"""
INSERT INTO mailsync.email_accounts (user_id, provider, provider_account_id, email_address, status,
                                     next_sync_at)
SELECT 'many', 'microsoft', 'many' || n, 'many' || lpad(n::text, 4, '0') || '@example.com',
       CASE WHEN n = 777 THEN 'reauth_required' ELSE 'active' END, now() + interval '1 hour'
  FROM generate_series(1, {ACCOUNTS}) n RETURNING 1"""
MANY_FOLDERS = f"""
WITH added AS (
  INSERT INTO mailsync.email_folders (account_id, remote_id, display_name)
  SELECT id, 'many' || n, 'Many ' || lpad(n::text, 4, '0')
    FROM mailsync.email_accounts, generate_series(1, {FOLDERS}) n
   WHERE provider_account_id = 'many1' RETURNING account_id, id)
SELECT account_id::text, max(id) FROM added GROUP BY account_id"""
ENDING_ALIKE = """
INSERT INTO mailsync.email_accounts (user_id, provider, provider_account_id, email_address)
SELECT 'many', 'microsoft', 'alike' || n, repeat('y', 31 - n) || 'z@example.com'
  FROM generate_series(1, 31) n RETURNING email_address, id::text"""
NO_MORE = "DELETE FROM mailsync.email_accounts WHERE user_id = 'many' RETURNING 1"
COUNT_ELEMENTS = """
window.made = 0;
const make = Document.prototype.createElement;
Document.prototype.createElement = function (...name) {
  window.made += 1;
  return make.apply(this, name);
};"""
LEAST_MADE_IN_A_SECOND = """async () => {
  let least = Infinity;
  for (let second = 0; second < 4; second += 1) {
    const before = window.made;
    await new Promise((resolve) => setTimeout(resolve, 1000));
    least = Math.min(least, window.made - before);
  }
  return least;
}"""


@pytest.fixture
def many(mirror: BrowsedStack) -> Iterator[int]:
    """How many accounts there are, the one of the stack among them."""
    mirror.rows(MANY_ACCOUNTS)
    yield int(mirror.rows("SELECT count(*) FROM mailsync.email_accounts")[0][0])
    mirror.rows(NO_MORE)


def rows(page: Page, caption: str) -> Locator:
    return page.get_by_role("table", name=caption).locator("tbody > tr")


def test_a_page_of_accounts_says_how_many_there_are_and_the_last_one_is_reached(
    many: int, page: Page
) -> None:
    page.set_viewport_size({"width": 1440, "height": 900})
    page.goto("/accounts")

    expect(page.get_by_text(f"{many:,} accounts; 50 of them on this page")).to_be_visible()
    expect(rows(page, "Accounts")).to_have_count(50)
    page.get_by_role("link", name="Next page").click()
    expect(rows(page, "Accounts").first).to_contain_text("many00")
    expect(page.get_by_role("heading", level=1)).to_be_in_viewport()
    page.get_by_label("Address or id").fill(f"MANY{ACCOUNTS}")
    page.keyboard.press("Enter")
    expect(page.get_by_text("1 account found")).to_be_visible()
    expect(rows(page, "Accounts")).to_contain_text([f"many{ACCOUNTS}@example.com"])


def test_back_leads_to_the_link_that_was_followed(many: int, page: Page) -> None:
    page.goto("/accounts")
    followed = rows(page, "Accounts").nth(40).get_by_role("link").first
    followed.click()
    expect(page.get_by_role("heading", name="Folders")).to_be_visible()
    page.go_back()

    expect(followed).to_be_focused()
    expect(followed).to_be_in_viewport()


def test_the_status_filter_finds_the_account_that_lost_its_access(many: int, page: Page) -> None:
    page.goto("/accounts")
    page.get_by_label("Status").select_option("reauth required")

    expect(rows(page, "Accounts")).to_have_count(1)
    expect(rows(page, "Accounts")).to_contain_text(["many0777@example.com"])


def test_a_second_of_the_clock_rebuilds_no_row(many: int, page: Page) -> None:
    """A page of the list is some 1,300 elements; its clocks are 100."""
    page.add_init_script(COUNT_ELEMENTS)
    page.goto("/accounts")
    expect(rows(page, "Accounts").first).to_be_visible()

    assert page.evaluate(LEAST_MADE_IN_A_SECOND) < 600


def test_runs_of_one_account_among_many_are_found_by_its_address(
    mirror: BrowsedStack, many: int, page: Page
) -> None:
    page.goto("/runs")
    account = page.get_by_label("Account")
    account.fill("many0777")
    expect(page.locator("datalist option")).to_have_count(1)
    account.fill("many0777@example.com")
    account.press("Enter")
    expect(page.get_by_text("No run matches.")).to_be_visible()
    account.fill(mirror.account.address.upper())
    account.press("Enter")

    expect(rows(page, "Runs, newest first").first).to_contain_text(mirror.account.address)
    assert f"account={mirror.account.id}" in page.url


def test_an_address_is_found_among_many_that_end_like_it(
    mirror: BrowsedStack, many: int, page: Page
) -> None:
    """It stands behind all of them in the order of the alphabet."""
    ids = {address: account_id for address, account_id in mirror.rows(ENDING_ALIKE)}
    page.goto("/runs")
    account = page.get_by_label("Account")
    account.fill("z@example.com")
    account.press("Enter")

    expect(page).to_have_url(re.compile(f"/runs\\?account={ids['z@example.com']}$"))


def test_a_long_list_of_folders_is_cut_with_a_word_and_the_open_folder_is_in_it(
    mirror: BrowsedStack, many: int, page: Page
) -> None:
    ((account_id, last),) = mirror.rows(MANY_FOLDERS)
    page.goto(f"/accounts/{account_id}")
    folders = rows(page, "Folders and their verification")

    expect(folders).to_have_count(200)
    page.get_by_text(f"The first 200 of {FOLDERS} folders.").get_by_role("link").click()
    expect(folders).to_have_count(400)
    page.get_by_role("link", name="Show more").click()
    expect(folders).to_have_count(FOLDERS)
    page.goto(f"/mailbox?accountId={account_id}&folder={last}")
    listed = page.get_by_role("navigation", name="Folders").get_by_role("listitem")
    expect(listed).to_have_count(201)
    expect(listed.last).to_contain_text(f"Many {FOLDERS:04}")


def lengthen_run(route: Route) -> None:
    """Answer with 1,000 steps, and 1,000 folders of which the last failed."""
    response = route.fetch()
    run = response.json()
    step, folder = run["steps"][0], run["folders"][0]
    run["steps"] = [{**step, "id": number, "label": f"step {number}"} for number in range(1000)]
    run["folders"] = [{**folder, "folderId": number} for number in range(1000)]
    run["folders"].append({**folder, "folderId": 1000, "status": "failed"})
    route.fulfill(response=response, json=run)


def test_a_run_of_many_folders_shows_its_newest_steps_and_what_failed_first(
    mirror: BrowsedStack, page: Page
) -> None:
    run_id = mirror.data("runs?trigger=connect")["runs"][0]["id"]
    page.route(f"**/data/runs/{run_id}", lengthen_run)
    page.goto(f"/runs/{run_id}?step=7")
    steps, folders = rows(page, "Steps in the order"), rows(page, "What the run did")

    expect(page.get_by_text("The last 200 of 1,000 steps.")).to_be_visible()
    expect(steps.first).to_contain_text("step 7")
    expect(steps.last).to_contain_text("step 999")
    assert steps.count() == 202, "200, the one that is opened, and its detail"
    expect(page.get_by_text("The first 200 of 1,001 folders.")).to_be_visible()
    expect(folders.first).to_contain_text("failed")
    page.unroute_all(behavior="wait")


@pytest.mark.parametrize("width", [390, 1440])
def test_the_31st_message_opens_in_view_and_its_closing_leads_back_to_it(
    mirror: BrowsedStack, page: Page, width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(f"/mailbox?accountId={mirror.account.id}")
    message = page.locator(".messages li").nth(30).get_by_role("link")
    subject = message.locator(".subject").inner_text()
    reader = page.get_by_role("region", name="Message", exact=True)

    message.click()
    expect(reader).to_be_focused()
    expect(reader.get_by_role("heading", name=subject)).to_be_in_viewport(ratio=1)
    close = reader.get_by_role("link", name="Close the message")
    expect(close).to_be_in_viewport(ratio=1)
    close.press("Enter")

    expect(message).to_be_focused()
    expect(message).to_be_in_viewport(ratio=1)


@pytest.mark.parametrize("width", [390, 1440])
def test_the_next_page_of_messages_begins_at_its_first(
    mirror: BrowsedStack, page: Page, width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(f"/mailbox?accountId={mirror.account.id}")
    first = page.locator(".messages li").first
    newest = first.inner_text()

    page.get_by_role("link", name="Older").click()

    expect(first).not_to_have_text(newest, use_inner_text=True)
    expect(first).to_be_in_viewport(ratio=1)
