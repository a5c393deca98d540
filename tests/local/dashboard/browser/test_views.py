"""Every view by itself: accessible in light and dark, steady while it changes, quick when long."""

import re
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Error, Page, Route, ViewportSize, expect

from tests.local.dashboard.browser.browsed_stack import BrowsedStack
from tests.support.paths import ROOT

pytestmark = pytest.mark.xdist_group("browser")

SCREENS = ROOT / "build" / "dashboard"
PHONE: ViewportSize = {"width": 375, "height": 812}
WIDER_THAN_ITSELF = """() => [document.documentElement, ...document.querySelectorAll(".scroll")]
  .filter((each) => each.scrollWidth > each.clientWidth)
  .map((each) => each.ariaLabel ?? "the page")"""
INLINE_RUN = """
INSERT INTO mailsync.sync_runs (id, account_id, sync_type, trigger, status, started_at, finished_at)
SELECT 'in-one-function', id, 'auto', 'schedule', 'completed', now(), now()
  FROM mailsync.email_accounts WHERE email_address = '{}' RETURNING 1"""
PHANTOM = """
INSERT INTO mailsync.proof_differences (account_id, folder_id, message_id, cause)
SELECT account_id, id, 'AAkALg-phantom', 'missing' FROM mailsync.email_folders
 WHERE account_id = '{}' AND role = 'archive' RETURNING 1"""
PHANTOM_COUNTED = """
UPDATE mailsync.email_folders SET differing = 1
 WHERE account_id = '{}' AND role = 'archive' RETURNING 1"""
FINDINGS = {"resultTypes": ["violations"]}
GRAVE = ("serious", "critical")
LONG = "Donaudampfschifffahrtsgesellschaft" * 7
FAILURE = {"name": LONG, "message": LONG}
NAMES = ("emailAddress", "displayName", "subject", "fromName", "fromAddress", "address", "snippet")
TIMES = ("verifiedAt", "comparedAt", "lastSyncAt", "nextSyncAt", "createdAt", "startedAt")
LENGTHENED: dict[str, Any] = {
    **dict.fromkeys(TIMES, "2025-12-28T21:58:59Z"),  # of another year, so the date is shown
    **dict.fromkeys((*NAMES, "label", "errorMessage", "reason", "messageId", "what"), LONG),
    "lastError": FAILURE,
    "quarantine": [{"messageId": LONG, "folder": LONG, "cause": LONG, "detail": LONG}],
    "differences": [{"messageId": LONG, "folder": LONG, "cause": "missing", "foundAt": None}],
    "attempts": [{"number": 1, "error": LONG, "cause": LONG, "startedAt": "2026-01-31T09:30:00Z"}],
    "categories": [LONG],
}
OUTSIDE_ITS_BOX = """() => [document.documentElement, ...document.querySelectorAll("main *")]
  .filter((each) => !each.closest("svg, caption, thead, .picture, pre, input"))
  .filter((each) => {
    const { display, overflowX } = getComputedStyle(each);
    const holds = each.clientWidth && display !== "inline" && overflowX !== "hidden";
    const may = each.classList.contains("scroll") ? 1.25 : 1;
    return holds && each.scrollWidth > each.clientWidth * may + 1;
  })
  .map((each) => `${each.tagName}.${each.className} ${each.scrollWidth} > ${each.clientWidth}`)"""


def newest_run(mirror: BrowsedStack) -> str:
    return str(mirror.data("runs")["runs"][0]["id"])


def opened_step(mirror: BrowsedStack) -> str:
    run = mirror.data(f"runs/{newest_run(mirror)}")
    return f"/runs/{run['id']}?step={run['steps'][0]['id']}"


def first_message(mirror: BrowsedStack) -> str:
    found = mirror.rows("SELECT account_id, folder_id, id FROM mailsync.emails ORDER BY id LIMIT 1")
    return "/mailbox?accountId={}&folder={}&message={}".format(*found[0])


VIEWS: dict[str, Callable[[BrowsedStack], str]] = {
    "start": lambda _: "/",
    "functions": lambda _: "/functions",
    "runs": lambda _: "/runs",
    "run": opened_step,
    "events": lambda _: "/events",
    "accounts": lambda _: "/accounts",
    "account": lambda mirror: f"/accounts/{mirror.account.id}",
    "mailbox": first_message,
}


@pytest.mark.parametrize("name", VIEWS)
def test_view_has_no_serious_barrier_in_light_or_dark_and_fits_a_phone(
    mirror: BrowsedStack, page: Page, name: str
) -> None:
    """For a look by eye there are build/dashboard/NAME.light.png, .dark.png and .phone.png."""
    page.goto(VIEWS[name](mirror))
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    simulator = page.get_by_role("button", name="Simulator")
    simulator.click()
    expect(page.get_by_role("button", name="Deliver")).to_be_visible()

    found = barriers(page)
    simulator.click()
    SCREENS.mkdir(parents=True, exist_ok=True)
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)
        page.screenshot(path=SCREENS / f"{name}.{scheme}.png")
    page.set_viewport_size(PHONE)
    page.screenshot(path=SCREENS / f"{name}.phone.png", full_page=True)

    assert found == []
    assert page.evaluate(WIDER_THAN_ITSELF) == []


def lengthen(value: Any) -> Any:
    """Return data of a page with names and errors as long as they come, without a space."""
    if isinstance(value, list):
        return [lengthen(each) for each in value]
    if not isinstance(value, dict):
        return value
    error = LONG if "errorMessage" in value else FAILURE
    longer = {"error": error, **LENGTHENED}
    # Counts of attempts are numbers.
    return {
        name: longer[name] if name in longer and not isinstance(each, int) else lengthen(each)
        for name, each in value.items()
    }


def answer_at_length(route: Route) -> None:
    with suppress(Error):  # the page no longer waits for it
        response = route.fetch()
        route.fulfill(response=response, json=lengthen(response.json()))


@pytest.mark.parametrize("name", VIEWS)
def test_long_names_stay_inside_their_boxes(mirror: BrowsedStack, page: Page, name: str) -> None:
    page.route(re.compile("/data/(?!changes|messages/.*/body)"), answer_at_length)
    page.goto(VIEWS[name](mirror))
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    for width in (390, 1440):
        page.set_viewport_size({"width": width, "height": 900})

        assert page.evaluate(OUTSIDE_ITS_BOX) == [], width
    page.unroute_all(behavior="wait")


def barriers(page: Page) -> list[str]:
    """Return each serious finding with where it is; colours are judged in dark, too."""
    light = Axe().run(page, options=FINDINGS).response
    page.emulate_media(color_scheme="dark")
    dark = Axe().run(page, options={**FINDINGS, "runOnly": ["color-contrast"]}).response
    return [
        f"{each['id']}: {each['nodes'][0]['html']}"
        for each in light["violations"] + dark["violations"]
        if each["impact"] in GRAVE
    ]


def test_on_a_phone_each_value_has_its_heading_and_a_message_stands_alone(
    mirror: BrowsedStack, page: Page
) -> None:
    page.set_viewport_size(PHONE)

    page.goto(first_message(mirror))
    expect(page.get_by_role("region", name="Message", exact=True)).to_be_visible()
    expect(page.get_by_role("navigation", name="Folders")).to_be_hidden()
    page.goto("/runs")
    cells = page.get_by_role("table").locator("tbody > tr").first.locator("td")
    expect(cells.first).to_be_visible()

    assert cells.evaluate_all("cells => cells.map((each) => each.dataset.label)") == [
        *("Status", "Run", "Account", "Why", "Started", "Duration", "Error")
    ]


def test_ids_that_differ_are_shown_with_their_cause(mirror: BrowsedStack, page: Page) -> None:
    for change in (PHANTOM, PHANTOM_COUNTED):
        mirror.rows(change.format(mirror.account.id))

    page.goto(f"/accounts/{mirror.account.id}")

    shown = page.get_by_role("table", name="Messages that differ").locator("tbody > tr")
    expect(shown).to_contain_text(["Archivemissing: in the provider's list, gone when asked"])
    expect(shown).to_contain_text(["AAkALg-phantom"])
    expect(page.get_by_role("table", name="Folders and their")).to_contain_text("1 difference")


def test_a_removal_is_confirmed_by_a_button_that_asks_once_more(
    mirror: BrowsedStack, page: Page
) -> None:
    account_id = mirror.emptied_account()
    hidden = page.get_by_role("region", name="Hidden mail")
    button = page.get_by_role("button", name="Confirm removal")
    page.goto(f"/accounts/{account_id}")
    expect(hidden).to_contain_text("left their folders: 31 messages")
    expect(hidden).to_contain_text("Most of the mailbox would go")

    page.once("dialog", lambda dialog: dialog.dismiss())
    button.click()
    assert not mirror.is_removal_confirmed(account_id)
    page.once("dialog", lambda dialog: dialog.accept())
    button.click()

    expect(hidden).not_to_contain_text("Most of the mailbox would go")
    expect(button).to_have_count(0)
    assert mirror.is_removal_confirmed(account_id)
    page.goto(f"/mailbox?accountId={account_id}")
    listed = page.get_by_role("region", name="Messages of Inbox").get_by_role("listitem")
    expect(listed).to_have_count(9)


def test_a_run_that_one_function_did_says_that_it_has_no_steps(
    mirror: BrowsedStack, page: Page
) -> None:
    mirror.rows(INLINE_RUN.format(mirror.account.address))

    page.goto("/runs/in-one-function")

    expect(page.get_by_text("done in one function; no steps were recorded")).to_be_visible()
    expect(page.get_by_role("table", name="Steps in the order")).to_have_count(0)
    expect(page.get_by_text("forgets them")).to_have_count(0)


def test_a_change_keeps_focus_scroll_and_what_is_typed(mirror: BrowsedStack, page: Page) -> None:
    page.goto("/runs")
    page.get_by_role("button", name="Simulator").click()
    subject = page.get_by_label("Subject")
    subject.fill("Half a sen")
    expect(page.locator("tbody tr a").first).to_be_visible()
    before = page.locator("tbody tr").count()

    mirror.account.sync()
    expect(page.locator("tbody tr")).to_have_count(before + 1)

    expect(subject).to_be_focused()
    expect(subject).to_have_value("Half a sen")


def test_an_address_that_no_link_has_says_so_and_the_rest_of_the_page_works(page: Page) -> None:
    page.goto("/runs/%E0%A4%A")
    expect(page.get_by_text("There is no run of this id.")).to_be_visible()

    page.get_by_role("link", name="Accounts", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Accounts")


def test_what_could_not_be_loaded_is_loaded_later_although_nothing_has_changed(page: Page) -> None:
    page.route("**/data/changes?*", lambda route: route.fulfill(json={"version": 1}))
    page.route("**/data/accounts*", lambda route: route.fulfill(status=503, json={}), times=2)
    page.goto("/accounts")

    expect(page.get_by_role("heading", level=1)).to_have_text("Accounts")


def test_at_midnight_each_time_gets_its_date(page: Page) -> None:
    page.clock.install(time=datetime.now().replace(hour=23, minute=59))
    page.route("**/data/changes?*", lambda route: None)
    page.goto("/runs")
    expect(page.locator("tbody tr a").first).to_be_visible()
    began = page.locator("tbody time").first
    expect(began).to_have_text(re.compile(r"^\d\d:\d\d:\d\d$"))

    page.clock.run_for(120_000)

    expect(began).to_have_text(re.compile(r"\w+ \d+, \d\d:\d\d:\d\d$|\d+ \w+, "))


def test_a_button_that_goes_does_not_take_the_focus_with_it(
    mirror: BrowsedStack, page: Page
) -> None:
    page.goto(f"/accounts/{mirror.account.id}")
    main = page.get_by_role("main")
    for name in ("Pause", "Resume", "Close"):
        page.get_by_role("button", name=name, exact=True).press("Enter")
        expect(main).to_be_focused()
        page.keyboard.press("Tab")


def test_every_view_is_reached_by_keyboard_alone(page: Page) -> None:
    page.goto("/")

    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    for name in ("Mailsync", "Functions", "Runs"):
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name=name, exact=True).first).to_be_focused()
    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", level=1)).to_have_text("Runs")
    expect(page.get_by_role("main")).to_be_focused()
