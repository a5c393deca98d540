"""Render the page on which a person chooses a simulated account and consents."""

import html
from collections.abc import Mapping, Sequence

from localdev.simulators.mailbox import Mailbox

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Sign in to your simulated account</title>
<style>body{{font:16px system-ui;max-width:26rem;margin:4rem auto;padding:0 1rem}}
button{{display:block;width:100%;margin:.5rem 0;padding:.75rem;text-align:left;font:inherit}}
label{{display:block;margin:.5rem 0}}
</style></head><body>
<h1>Pick an account</h1>
<p>The app asks for: {scope}</p>
<form method="post">{code}{hidden}{boxes}{accounts}
<button name="decline" value="1">Cancel</button></form></body></html>"""


def render_sign_in_page(
    query: Mapping[str, str],
    mailboxes: Sequence[Mailbox],
    *,
    asks_for_code: bool = False,
    tickable_scopes: Sequence[str] = (),
) -> bytes:
    """Return the HTML of a page on which a person chooses a mailbox to sign in to, or declines.

    query: parameters of the authorize request; the form sends them again, with the person's choice.
    asks_for_code: whether the person enters the code that a device shows.
    tickable_scopes: scopes that the person may refuse one by one. The form sends `granular`, and
        `tick` for each scope that stays ticked.
    """
    hidden = "".join(
        f'<input type="hidden" name="{html.escape(name)}" value="{html.escape(value)}">'
        for name, value in query.items()
    )
    accounts = "".join(
        f'<button name="account" value="{html.escape(mailbox.address)}">'
        f"{html.escape(mailbox.display_name)}<br>{html.escape(mailbox.address)}</button>"
        for mailbox in mailboxes
    )
    boxes = "".join(
        f'<label><input type="checkbox" name="tick" value="{html.escape(scope)}" checked>'
        f" {html.escape(scope)}</label>"
        for scope in tickable_scopes
    )
    if boxes:
        boxes = f'<input type="hidden" name="granular" value="1">{boxes}'
    scope = html.escape(query.get("scope", ""))
    code = '<label>Code <input name="user_code" autofocus></label>' if asks_for_code else ""
    return _PAGE.format(
        code=code, scope=scope, hidden=hidden, boxes=boxes, accounts=accounts
    ).encode()
