"""A mail that tries everything is shown, and nothing of it runs or loads."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, Dialog, Page, expect

from localdev.http_server import Request, Response, Server
from tests.local.dashboard.browser.browsed_stack import BrowsedStack
from tests.local.mirror import when

pytestmark = pytest.mark.xdist_group("browser")

MAIL = """<h1>A harmless title</h1>
<script>top.location = "{evil}/script"; alert("script")</script>
<script src="{evil}/script.js"></script>
<img src="{evil}/pixel.png"><img src=x onerror="alert('handler'); fetch('{evil}/handler')">
<body onload="alert('load')" background="{evil}/background.png">
<svg onload="alert('svg')"><image href="{evil}/svg.png"/></svg>
<style>@import url("{evil}/import.css"); h1 {{ background: url("{evil}/style.png") }}
@font-face {{ font-family: f; src: url("{evil}/font.woff") }} h1 {{ font-family: f }}</style>
<link rel="stylesheet" href="{evil}/link.css"><link rel="prefetch" href="{evil}/prefetch">
<meta http-equiv="refresh" content="0;url={evil}/refresh"><base href="{evil}/base/">
<iframe src="{evil}/frame"></iframe><iframe srcdoc="<script>alert('srcdoc')</script>"></iframe>
<object data="{evil}/object"></object><embed src="{evil}/embed"><video src="{evil}/video"
autoplay poster="{evil}/poster.png"></video><audio src="{evil}/audio" autoplay></audio>
<form action="{evil}/form" method="post"><button autofocus>Send</button></form>
<a href="{evil}/link" target="_top" ping="{evil}/ping">A link</a>
<a href="javascript:alert('url')">Another link</a><p>The last line</p>"""


@dataclass
class Evil:
    """The sender's server, which records what is requested of it."""

    url: str = ""
    requests: list[str] = field(default_factory=list)


@pytest.fixture
def evil() -> Iterator[Evil]:
    noted = Evil()

    def note(request: Request) -> Response:
        noted.requests.append(request.path)
        return Response(200, b"alert(1)", {"Access-Control-Allow-Origin": "*"})

    server = Server(note, port=0, guard=None).start()
    noted.url = f"http://127.0.0.1:{server.port}"
    yield noted
    server.stop()


@pytest.fixture
def message(mirror: BrowsedStack, evil: Evil) -> str:
    """The id of the mail, once it is in the database."""
    subject = f"<img src={evil.url}/subject onerror=alert(1)>"
    body = MAIL.format(evil=evil.url)
    mirror.simulate("deliver", subject=subject, body=body, body_type="html")
    mirror.account.sync()
    found = f"SELECT id FROM mailsync.emails WHERE subject LIKE '<img src={evil.url}%'"
    return str(when(lambda: mirror.rows(found))[0][0])


@pytest.fixture
def page(mirror: BrowsedStack, browser: Browser, evil: Evil) -> Iterator[Page]:
    """What opens a dialog in it has run, and is recorded as a request."""
    context = browser.new_context(base_url=mirror.url)
    opened = context.new_page()

    def note(dialog: Dialog) -> None:
        evil.requests.append(dialog.message)
        dialog.dismiss()

    opened.on("dialog", note)
    yield opened
    context.close()
    mirror.at_rest()


def test_hostile_mail_is_shown_and_neither_runs_nor_loads_anything(
    mirror: BrowsedStack, page: Page, evil: Evil, message: str
) -> None:
    page.goto(f"/mailbox?accountId={mirror.account.id}&message={message}")
    body = page.frame_locator(".reader iframe")
    expect(body.get_by_text("The last line")).to_be_visible()
    provoke(page)

    assert evil.requests == []
    assert page.url.startswith(mirror.url)
    expect(page.locator(".reader h2")).to_contain_text("<img src=")


def test_its_address_opened_directly_is_as_harmless(page: Page, evil: Evil, message: str) -> None:
    page.goto(f"/data/messages/{message}/body")
    expect(page.get_by_text("The last line")).to_be_visible()
    page.get_by_text("Another link").click()
    page.get_by_role("button", name="Send").click()
    page.wait_for_timeout(500)

    assert evil.requests == []


def provoke(page: Page) -> None:
    """Presses what a person might press, and gives what runs by itself the time to do so."""
    body = page.frame_locator(".reader iframe")
    for what in (body.get_by_role("button", name="Send"), body.get_by_text("Another link")):
        what.click()
    body.get_by_text("A link", exact=True).click()
    page.wait_for_timeout(500)
