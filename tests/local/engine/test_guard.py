"""Which requests the ports of the local stack take, by what browsers and programs send."""

from email.message import Message

import pytest

from localdev.guard import PROGRAMS_ONLY_GUARD, RequestGuard

PORT = 3000
HOST = {"Host": f"localhost:{PORT}"}
OWN = {"Origin": f"http://localhost:{PORT}", "Sec-Fetch-Site": "same-origin"}
TYPED = {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
LINK = {**TYPED, "Sec-Fetch-Site": "cross-site"}
PAGES = RequestGuard(
    accepts_requests_of_served_pages=True,
    accepted_page_origins=frozenset({"https://app.example.com"}),
    accepts_navigation_to_path=lambda path: path == "/sign-in",
)
FOREIGN = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://[broken"},
    {"Origin": "https://localhost.evil.example"},
    {"Origin": "http://localhost:3001", "Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "anything"},
    {**OWN, "Sec-Fetch-Site": "cross-site"},
    LINK,
]


def takes(
    guard: RequestGuard, headers: dict[str, str], method: str = "GET", path: str = "/"
) -> bool:
    sent = Message()
    for name, value in {**HOST, **headers}.items():
        sent[name] = value
    return guard.rejection_reason(method, path, sent, port=PORT) is None


@pytest.mark.parametrize("guard", [PROGRAMS_ONLY_GUARD, PAGES])
@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "[::1]"])
def test_programs_are_served_under_each_name_of_loopback(guard: RequestGuard, name: str) -> None:
    assert takes(guard, {"Host": f"{name}:{PORT}"}, method="POST")


@pytest.mark.parametrize("guard", [PROGRAMS_ONLY_GUARD, PAGES])
@pytest.mark.parametrize(
    "host", ["evil.example:3000", "localhost.evil.example:3000", "localhost:1", "localhost", ""]
)
def test_no_other_host_is_served(guard: RequestGuard, host: str) -> None:
    assert not takes(guard, {"Host": host})
    assert not takes(guard, {"Host": host}, path="/sign-in")


@pytest.mark.parametrize("headers", [*FOREIGN, OWN, TYPED], ids=str)
def test_a_port_for_programs_takes_nothing_of_a_browser(headers: dict[str, str]) -> None:
    assert not takes(PROGRAMS_ONLY_GUARD, headers)


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_a_port_with_pages_takes_nothing_of_foreign_pages(headers: dict[str, str]) -> None:
    assert not takes(PAGES, headers)
    assert not takes(PAGES, headers, method="POST", path="/sign-in")


def test_a_port_with_pages_takes_its_own_the_address_bar_and_allowed_origins() -> None:
    assert takes(PAGES, OWN, method="POST")
    assert takes(PAGES, TYPED)
    assert takes(PAGES, {"Origin": "https://app.example.com", "Sec-Fetch-Site": "cross-site"})


def test_any_site_may_navigate_a_window_to_a_sign_in_and_nothing_else() -> None:
    assert takes(PAGES, LINK, path="/sign-in")
    assert not takes(PAGES, {**LINK, "Sec-Fetch-Dest": "iframe"}, path="/sign-in")
    assert not takes(PAGES, {**LINK, "Sec-Fetch-Mode": "no-cors"}, path="/sign-in")
    assert not takes(PAGES, {**LINK, "Origin": "https://evil.example"}, path="/sign-in")


def test_on_a_default_port_clients_leave_the_port_out() -> None:
    sent = Message()
    sent["Host"] = "localhost"

    assert PROGRAMS_ONLY_GUARD.rejection_reason("GET", "/", sent, port=80) is None
