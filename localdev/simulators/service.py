"""Hold the state that the simulators share: mailboxes, Microsoft's behaviour, latency, faults and
request log."""

from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_DNS, uuid5

from localdev.simulators.behaviour import LATENCY_BY_NAME, Latency, MicrosoftBehaviour
from localdev.simulators.database import SimulatorDatabase
from localdev.simulators.entra.schema import CREATE_ENTRA_TABLES_SQL
from localdev.simulators.faults import FaultScript
from localdev.simulators.gmail.schema import CREATE_GMAIL_TABLES_SQL
from localdev.simulators.google.schema import CREATE_GOOGLE_TABLES_SQL
from localdev.simulators.graph.ids import read_or_create_id_secret
from localdev.simulators.graph.schema import CREATE_GRAPH_TABLES_SQL
from localdev.simulators.graph.well_known import add_conversation_history_folder
from localdev.simulators.mailbox import Mailbox
from localdev.simulators.mailbox_schema import CREATE_MAILBOX_TABLES_SQL
from localdev.simulators.request_log import RequestLog

_SCHEMA = (
    CREATE_MAILBOX_TABLES_SQL
    + CREATE_GRAPH_TABLES_SQL
    + CREATE_GMAIL_TABLES_SQL
    + CREATE_ENTRA_TABLES_SQL
    + CREATE_GOOGLE_TABLES_SQL
)
# An earlier release stored mail as Graph's JSON. Its mail is deleted. Its sign-ins stay valid,
# because the user ids are the same.
_EARLIER = {
    ("message", "immutable_id"): (
        *("mailbox", "folder", "message", "change"),
        *("chain", "subscription", "notification"),
    )
}

ORGANISATION_TENANT_ID = "72f988bf-0000-4000-8000-2d7cd011db47"
PERSONAL_TENANT_ID = "9188040d-6c67-4c5b-b112-36a304b66dad"
PERSONAL_EMAIL_DOMAINS = ("outlook.com", "hotmail.com", "live.com")


class UserNotFound(Exception):
    """No simulated mailbox has the given address or user id."""


def tenant_id_for_address(address: str) -> str:
    """Return the tenant id of an email address. All personal accounts share Microsoft's tenant for
    personal accounts.

    Source: Microsoft identity platform docs, "ID token claims".
    """
    personal = address.rpartition("@")[2].lower() in PERSONAL_EMAIL_DOMAINS
    return PERSONAL_TENANT_ID if personal else ORGANISATION_TENANT_ID


class SharedSimulatorState:
    """The state that the simulated servers share.

    data: folder that stores the mailboxes and sign-ins, so that they survive a restart.
    """

    def __init__(self, data: Path) -> None:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.data = data
        self.database = SimulatorDatabase(data / "microsoft.sqlite", _SCHEMA, earlier=_EARLIER)
        # Created before the first backup, so that a restored backup leads to the same ids.
        read_or_create_id_secret(self.database)
        self.behaviour = MicrosoftBehaviour()
        self.latency: Latency = LATENCY_BY_NAME["none"]
        self.faults = FaultScript()
        self.token_faults = FaultScript()
        self.log = RequestLog()

    def set_microsoft_behaviour_switches(self, **values: Any) -> None:
        """Set switches of `MicrosoftBehaviour` by name. Raises TypeError for an unknown switch."""
        self.behaviour = replace(self.behaviour, **values)

    def find_or_create_mailbox(self, address: str, display_name: str) -> Mailbox:
        """Return the mailbox with this address. Create the mailbox with the standard folders if it
        does not exist."""
        user_id = str(uuid5(NAMESPACE_DNS, address.lower()))
        with self.database.transaction():
            created = self.database.execute_write(
                "INSERT INTO mailbox VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                *(user_id, address, display_name),
            )
            mailbox = Mailbox(self.database, user_id)
            if created:
                mailbox.folders.create_standard_folders()
                add_conversation_history_folder(mailbox)
        return mailbox

    def find_mailbox(self, user: str) -> Mailbox:
        """Return the mailbox whose address or user id is `user`. Raises UserNotFound."""
        row = self.database.fetch_row(
            "SELECT id FROM mailbox WHERE id = ? OR address = ?", user, user
        )
        if row is None:
            raise UserNotFound(user)
        return Mailbox(self.database, row["id"])

    def list_mailboxes(self) -> list[Mailbox]:
        rows = self.database.fetch_rows("SELECT id FROM mailbox ORDER BY rowid")
        return [Mailbox(self.database, row["id"]) for row in rows]
