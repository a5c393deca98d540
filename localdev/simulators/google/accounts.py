"""Keep what Google's identity platform knows of an account: its subject, its address and its
organisation.

Source: Google Identity documentation, "OpenID Connect": `sub` identifies an account and never
    changes; `email` may change.
"""

from dataclasses import dataclass
from uuid import UUID, uuid4

from localdev.simulators.service import SharedSimulatorState

_PERSONAL_DOMAINS = ("gmail.com", "googlemail.com")


@dataclass(frozen=True, slots=True)
class GoogleAccount:
    """An account whose mailbox the simulators have.

    oidc_subject: Google's id of the account, the claim `sub`.
    organisation_domain: domain of the account's Workspace organisation, the claim `hd`. None: the
        account is personal.
    """

    simulator_user_id: str
    oidc_subject: str
    address: str
    display_name: str
    organisation_domain: str | None


class AccountDirectory:
    """The Google accounts, one for each simulated mailbox."""

    def __init__(self, service: SharedSimulatorState) -> None:
        self._service = service

    def find_account(self, user: str) -> GoogleAccount:
        """Return the Google account of the mailbox whose address or user id is `user`. Create the
        account at the first call. Raises UserNotFound."""
        mailbox = self._service.find_mailbox(user)
        database = self._service.database
        domain = mailbox.address.rpartition("@")[2].lower()
        database.execute_write(
            "INSERT INTO google_account VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            *(mailbox.user_id, _subject(UUID(mailbox.user_id))),
            None if domain in _PERSONAL_DOMAINS else domain,
        )
        row = database.fetch_row("SELECT * FROM google_account WHERE user_id = ?", mailbox.user_id)
        assert row is not None
        return GoogleAccount(
            simulator_user_id=mailbox.user_id,
            oidc_subject=row["subject"],
            address=mailbox.address,
            display_name=mailbox.display_name,
            organisation_domain=row["organisation"],
        )

    def change_address(self, user: str, address: str) -> None:
        """Give the account another address. The account's subject stays. Raises UserNotFound."""
        self._service.database.execute_write(
            "UPDATE mailbox SET address = ? WHERE id = ?",
            address,
            self.find_account(user).simulator_user_id,
        )

    def replace_oidc_subject(self, user: str) -> None:
        """Give the mailbox's account another subject, as if its address now belonged to another
        account. Raises UserNotFound."""
        self._service.database.execute_write(
            "UPDATE google_account SET subject = ? WHERE user_id = ?",
            *(_subject(uuid4()), self.find_account(user).simulator_user_id),
        )


def _subject(seed: UUID) -> str:
    """Return a subject of 21 digits, as Google's are."""
    return str(10**20 + seed.int % (9 * 10**20))
