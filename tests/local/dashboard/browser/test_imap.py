"""A mailbox is connected by its password in the dashboard's form, and its sync is watched there."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.local.dashboard.browser.browsed_stack import BrowsedStack
from tests.local.dashboard.browser.conftest import WAIT_MS
from tests.local.dashboard.browser.test_views import PHONE, SCREENS, WIDER_THAN_ITSELF, barriers
from tests.local.mirror import when
from tests.support.small_stack import beside_other_stacks, small_stack

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("browser")]
expect.set_options(timeout=WAIT_MS)

OTHER = "grace@example.com"
WRONG = "not-the-pass-word"
GIVEN_UP = "UPDATE mailsync.email_accounts SET status = 'reauth_required' RETURNING id::text"


@pytest.fixture(scope="module")
def mirror(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrowsedStack]:
    """With a mailbox that is connected over IMAP, and another that is not connected yet."""
    own = small_stack(tmp_path_factory.mktemp("stack"), provider="imap")
    with beside_other_stacks(), own as stack:
        mirror = BrowsedStack.of(stack)
        mirror.control("POST", "mailboxes", address=OTHER, display_name="Grace")
        for number in range(3):
            mirror.control("POST", "deliver", mailbox=OTHER, subject=f"Welcome {number}")
        yield mirror


def form(page: Page) -> Locator:
    page.get_by_text("Connect a mailbox by its password").click()
    return page.locator("form", has=page.get_by_label("Password"))


def connect(page: Page, address: str, password: str) -> None:
    page.goto("/accounts")
    fields = form(page)
    fields.get_by_label("Address").fill(address)
    fields.get_by_label("Password").fill(password)
    fields.get_by_role("button", name="Connect over IMAP").click()


def test_a_mailbox_is_connected_by_its_password_and_its_counts_are_shown(
    mirror: BrowsedStack, page: Page
) -> None:
    password, urls = mirror.stack.provider.imap_password, []
    page.on("request", lambda request: urls.append(request.url))

    connect(page, OTHER, password)
    expect(page.get_by_label("Password")).to_have_value("")
    page.get_by_role("link", name="See its first sync").click()

    expect(page.get_by_role("heading", level=1)).to_have_text(re.compile(rf"{OTHER}.*completed"))
    expect(page.get_by_text("complete and verified")).to_be_visible()
    expect(page.get_by_text("IMAP", exact=True)).to_be_visible()
    folders = page.get_by_role("table", name="Folders and their verification")
    expect(folders.locator("tr", has_text="INBOX")).to_contain_text("3 of 3")
    page.get_by_role("link", name="mailbox-sync").first.click()
    done = page.get_by_role("table", name="What the run did in each folder")
    expect(done.locator("tr", has_text="INBOX")).to_contain_text("completed")
    expect(page.get_by_role("main")).not_to_contain_text(re.compile("graph|delta|microsoft", re.I))
    assert not [url for url in urls if password in url]
    logs = [each for each in (mirror.stack.data / "logs").rglob("*") if each.is_file()]
    assert not [each for each in logs if password.encode() in each.read_bytes()]


def test_a_wrong_password_is_said_in_a_sentence_and_stays_to_be_corrected(
    mirror: BrowsedStack, page: Page
) -> None:
    connect(page, "nobody@example.com", WRONG)

    expect(page.locator("#notice")).to_contain_text("refused the user name or the password")
    expect(page.get_by_label("Address", exact=True)).to_have_value("nobody@example.com")
    assert [each["emailAddress"] for each in mirror.data("accounts")["accounts"]].count(
        "nobody@example.com"
    ) == 0


def test_a_mailbox_whose_password_no_longer_works_is_connected_again(
    mirror: BrowsedStack, page: Page
) -> None:
    mirror.rows(GIVEN_UP)
    page.goto(f"/mailbox?accountId={mirror.account.id}")

    page.get_by_role("link", name="Connect again").click()
    fields = page.locator("form", has=page.get_by_label("Password"))
    expect(fields.get_by_label("Address")).to_have_value(mirror.account.address)
    fields.get_by_label("Password").fill(mirror.stack.provider.imap_password)
    fields.get_by_role("button", name="Connect over IMAP").click()

    expect(page.get_by_role("link", name="See its first sync")).to_be_visible()
    when(lambda: mirror.account.status()["status"] == "active")


@pytest.mark.parametrize(
    ("name", "path"), [("start", "/"), ("accounts", f"/accounts?connect={OTHER}")]
)
def test_the_form_has_no_serious_barrier_and_fits_a_phone(page: Page, name: str, path: str) -> None:
    page.goto(path)
    expect(page.get_by_label("Password")).to_be_visible()
    SCREENS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENS / f"imap.{name}.light.png")

    assert barriers(page) == []
    page.set_viewport_size(PHONE)
    assert page.evaluate(WIDER_THAN_ITSELF) == []
