"""Offer actions of the control API `/_sim/` that only Google's identity platform has."""

from collections.abc import Callable
from typing import Any

from localdev.simulators.google.consents import GrantEndReason
from localdev.simulators.google.server import GoogleIdentityServer
from localdev.simulators.mailbox import Mailbox


def build_google_mailbox_actions(google: GoogleIdentityServer) -> dict[str, Callable[..., Any]]:
    """Return the actions on a mailbox's Google account, by the name of the action."""

    def end_grants(mailbox: Mailbox, end: str = GrantEndReason.REVOKED) -> dict[str, Any]:
        return {
            "ended": google.consents.end_all_consents_of_user(mailbox.user_id, GrantEndReason(end))
        }

    def rename(mailbox: Mailbox, *, address: str) -> Any:
        return google.accounts.change_address(mailbox.user_id, address)

    return {"google-end-grants": end_grants, "google-rename": rename}
