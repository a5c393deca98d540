"""What is done to a mail's own markup; that nothing runs or loads is shown in a real browser."""

import pytest

from dashboard.mail import HTTP_HEADERS_OF_MAIL_DOCUMENT, build_mail_document


@pytest.mark.parametrize(
    "markup",
    [
        '<link rel="preconnect" href="https://spy.example">',
        '<LINK\nrel=dns-prefetch href="//spy.example">',
        '<meta http-equiv="refresh" content="0; url=https://spy.example">',
        '<base href="https://spy.example">',
        "<li<link>nk rel=preconnect href=//spy.example>",
        "<<base>link rel=preconnect href=//spy.example>",
        "<link rel=preconnect href=//spy.example",
    ],
)
def test_no_tag_is_left_that_reaches_out_past_every_policy(markup: str) -> None:
    shown = (
        build_mail_document("s", f"<p>before</p>{markup}", None).decode().split("<p>before</p>")[1]
    )

    assert not any(f"<{tag}" in shown.lower() for tag in ("link", "meta", "base"))


def test_other_markup_is_shown_as_it_was_sent() -> None:
    markup = '<p style="color: red">Hello <b>Ada</b> <img src="data:image/png;base64,AA=="></p>'

    assert markup in build_mail_document("s", markup, "plain").decode()


def test_plain_text_and_subjects_are_text() -> None:
    page = build_mail_document(
        "<script>alert(1)</script>", None, "1 < 2 </pre><script>alert(2)</script>"
    )

    assert b"<script" not in page
    assert b"1 &lt; 2" in page


def test_the_policy_lets_nothing_run_or_load() -> None:
    policy = {
        name: values
        for name, *values in (
            each.split()
            for each in HTTP_HEADERS_OF_MAIL_DOCUMENT["Content-Security-Policy"].split(";")
        )
    }

    assert policy["default-src"] == ["'none'"]
    assert policy["img-src"] == ["data:"]
    assert policy["sandbox"] == []
    assert policy.keys().isdisjoint({"script-src", "connect-src", "font-src", "frame-src"})
