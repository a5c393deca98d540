"""What the person who started a stack with real mail does, past every guard."""

from playwright.sync_api import Browser

from tests.local.attacks.stack_process import StackProcess


def test_its_person_connects_a_mailbox_through_the_dashboard(
    real: StackProcess, browser: Browser
) -> None:
    """There is no dev login, so the dashboard begins the sign-in; it ends on one of its pages, to
    which another site leads."""
    context = browser.new_context(ignore_https_errors=True)
    page = context.new_page()
    page.goto(real.url("Dashboard"))
    page.goto(real.sign_in_url)

    page.get_by_role("button", name="ada@example.com").click()
    page.get_by_label("Account").wait_for()
    landed, shown = page.url, page.get_by_role("alert").count()
    context.close()

    assert landed.startswith(real.url("Dashboard").partition("?")[0] + "mailbox?accountId=")
    assert shown == 0
