"""The examples of docs/api.md, as they stand, on a page of an application of another origin."""

import json
import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from localdev.engine.dev_login import DEMO_USER_ID
from localdev.simulators.service import ORGANISATION_TENANT_ID
from tests.local.dashboard.browser.browsed_stack import BrowsedStack
from tests.local.dashboard.browser.conftest import WAIT_MS
from tests.support.paths import ROOT

pytestmark = pytest.mark.xdist_group("browser")
expect.set_options(timeout=WAIT_MS)

GUIDE = (ROOT / "docs/api.md").read_text()
TYPES = re.compile(r"(?<=\w): (?:string(?: \| null)?|RequestInit)\b")
API, CONNECT, CONFIRM, ORGANISATION, PASSWORD, START, PROGRESS, ESTIMATE, LIST = (
    TYPES.sub("", each) for each in re.findall(r"```ts\n(.*?)```", GUIDE, re.DOTALL)
)
LANDED = r"^{}.*accountId=[0-9a-f-]{{36}}"
FIRST = {"accountId", "emailAddress", "runId", "statusUrl"}


def run(page: Page, mirror: BrowsedStack, *examples: str, then: str = "", **known: Any) -> Any:
    """What `then` is after the examples, when their names stand for these values."""
    headers = mirror.headers_of(DEMO_USER_ID, mailsync_admin=True)
    token = headers["Authorization"].removeprefix("Bearer ")
    known |= {"API": mirror.stack.api_url, "token": token}
    names = "".join(f"const {name} = {json.dumps(value)};\n" for name, value in known.items())
    return page.evaluate(f"async () => {{ {names}{API}{''.join(examples)}\n{then} }}")


@pytest.fixture
def app(page: Page, application: str) -> Page:
    page.goto(application)
    return page


def test_a_person_connects_a_mailbox_and_lands_in_the_inbox(
    app: Page, mirror: BrowsedStack
) -> None:
    run(app, mirror, CONNECT)

    app.get_by_role("button", name=mirror.account.address).click()

    expect(app).to_have_url(re.compile(LANDED.format(mirror.url)))


def test_a_person_who_declines_is_told_so_by_the_application(
    app: Page, mirror: BrowsedStack
) -> None:
    run(app, mirror, CONNECT)

    app.get_by_role("button", name="Cancel").click()

    expect(app).to_have_url(re.compile(rf"^{mirror.url}.*error=access_denied&error_description="))
    expect(app.get_by_role("alert")).to_contain_text("the consent was declined")


def test_a_page_confirms_the_connection_behind_its_address(
    app: Page, application: str, mirror: BrowsedStack
) -> None:
    mirror.reload(CONFIRM_CONNECTIONS="true")
    run(app, mirror, CONNECT)
    app.get_by_role("button", name=mirror.account.address).click()
    expect(app).to_have_url(re.compile(rf"^{mirror.url}.*connection="))
    mirror.reload(CONFIRM_CONNECTIONS=None)

    app.goto(f"{application}/?connection={app.url.partition('connection=')[2]}")
    example = CONFIRM.replace("await api(", "return (await api(").replace("});", "})).json();")
    body = run(app, mirror, example)

    assert body.keys() >= FIRST
    assert body["accountId"] == mirror.account.id


def test_a_password_is_not_used_by_a_stage_without_mail_servers(
    app: Page, mirror: BrowsedStack
) -> None:
    """The examples with a mail server run in `tests/local/stack/test_imap.py`."""
    example = PASSWORD.replace("await api(", "return (await api(").replace("});", "})).json();")

    assert run(app, mirror, example, password="secret")["type"].endswith("provider-off")


def test_a_sync_is_started_watched_to_its_end_and_listed(app: Page, mirror: BrowsedStack) -> None:
    mirror.simulate("deliver", subject="Watched")
    watch = """
      const seen = [], runs = [], show = (each) => runs.push(each);
      for await (const each of progress(accountId)) seen.push(each);
    """

    found = run(
        app,
        mirror,
        *(START, PROGRESS, watch, ESTIMATE, LIST),
        then="return { runId, statusUrl, seen, estimate, runs }",
        accountId=mirror.account.id,
    )

    last = found["seen"][-1]
    assert (last["runId"], last["syncStatus"], last["lastError"]) == (None, "completed", None)
    assert last["syncProgress"] == last["syncTotal"] > 0
    assert found["estimate"]["messages"] == last["syncTotal"]
    assert found["runs"][0]["runId"] == found["runId"]
    assert found["statusUrl"].endswith(f"/api/email/sync?accountId={mirror.account.id}")


def test_more_runs_than_fit_on_a_page_are_all_listed(app: Page, mirror: BrowsedStack) -> None:
    """The example does not say how many it wants, so twenty at a time."""
    account_id = mirror.account.id
    mirror.rows(
        "INSERT INTO mailsync.sync_runs (id, account_id, sync_type, status, finished_at)"
        f" SELECT 'old-' || n, '{account_id}', 'auto', 'completed', now()"
        "   FROM generate_series(1, 45) AS n RETURNING 1"
    )
    ((every,),) = mirror.rows(
        f"SELECT count(*) FROM mailsync.sync_runs WHERE account_id = '{account_id}'"
    )
    names = "const names = new Set(), show = (each) => names.add(each.runId);"

    found = run(app, mirror, names, LIST, then="return [...names]", accountId=account_id)

    mirror.rows("DELETE FROM mailsync.sync_runs WHERE id LIKE 'old-%' RETURNING 1")
    assert len(found) == every > 45


def test_an_administrator_connects_a_mailbox_of_an_organisation(
    app: Page, mirror: BrowsedStack
) -> None:
    (address,) = re.findall(r"emailAddress: '(\S+)'", ORGANISATION)
    mirror.control("POST", "mailboxes", address=address, display_name="Sales")
    mirror.reload(MICROSOFT_TENANTS=ORGANISATION_TENANT_ID)

    example = ORGANISATION.replace("await api(", "const response = await api(")
    then = "return [response.status, await response.json()]"
    status, body = run(
        app, mirror, example, then=then, tenantId=ORGANISATION_TENANT_ID, userId=DEMO_USER_ID
    )

    assert (status, body["emailAddress"]) == (201, address)
    assert body.keys() >= FIRST
    purged = "return (await api(`/api/email/accounts/${id}?data=purge`, {method: 'DELETE'})).status"
    assert run(app, mirror, then=purged, id=body["accountId"]) in (200, 202)
