"""Ann's mirrored mailbox, its subscriptions at the provider, and the schedule that renews them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from localdev.simulators import Simulators
from localdev.simulators.faults import Fault, FaultRule
from localdev.simulators.service import ORGANISATION_TENANT_ID
from mailsync.model import AccountId
from tests.api.requests import Api, ApiResponse, Sql
from tests.api.sign_in import ANN, sign_in
from tests.providers.simulators.graph_client import app_client, graph_client
from tests.providers.simulators.subscriber import Subscriber
from tests.support.functions import run_scheduled

ONE_MADE, ONE_FAILED, NO_WORK = (
    {"renewed": renewed, "failed": failed} for renewed, failed in ((1, 0), (0, 1), (0, 0))
)
CONNECT_FOR_ORGANISATION = "POST /api/email/accounts/microsoft"
ONE, ALL, LIST = "/subscriptions/", "/subscriptions$", r"/subscriptions(\?|$)"
"""For fault rules: requests to a subscription, for a new one, and pages of the list."""
MIRRORED = "UPDATE mailsync.email_accounts SET initial_sync_completed = true"
DUE = "SELECT next_sync_at <= now() FROM mailsync.email_accounts"
RENEW_NOW = "UPDATE mailsync.provider_subscriptions SET next_try_at = now()"
NOT_DUE = "UPDATE mailsync.email_accounts SET next_sync_at = now() + interval '1 hour'"
TOKEN_ENDS = "UPDATE mailsync.email_credentials SET access_expires_at = now()"
_REMOTE_IDS = "SELECT remote_id FROM mailsync.provider_subscriptions ORDER BY created_at"


def tick() -> dict[str, int]:
    """Run the schedule `renew-subscriptions` once, with the settings of this process."""
    return run_scheduled("renew_subscriptions")


def connect_for_organisation(api: Api, **body: str) -> AccountId:
    """Connect Ann's mailbox by her organisation's permission."""
    named = {"tenantId": ORGANISATION_TENANT_ID, "emailAddress": ANN, "userId": "ann", **body}
    response = api(CONNECT_FOR_ORGANISATION, body=named, admin=True, user="root")
    return AccountId(response.json["accountId"])


@dataclass(frozen=True)
class Subscribed:
    """`tick` subscribes to it once it is mirrored."""

    microsoft: Simulators
    subscriber: Subscriber
    api: Api
    sql: Sql

    @property
    def account_id(self) -> AccountId:
        """The first that was connected."""
        first = "SELECT id::text FROM mailsync.email_accounts ORDER BY created_at LIMIT 1"
        return AccountId(self.sql(first)[0][0])

    def sign_in(self, user: str) -> None:
        """Connect Ann's mailbox for a user of the application, and mirror it."""
        sign_in(self.api, self.microsoft, user=user)
        self.sql(MIRRORED)

    def connect_for_organisation(self) -> None:
        connect_for_organisation(self.api)
        self.sql(MIRRORED)

    def route(self, method: str) -> str:
        return f"{method} /api/email/accounts/{self.account_id}"

    def remove(self, data: str, user: str = "ann") -> ApiResponse:
        return self.api(self.route("DELETE"), query={"data": data}, user=user)

    def disconnect(self) -> None:
        assert self.remove("keep").status == 200

    def renew_now(self) -> None:
        self.sql(f"{RENEW_NOW} WHERE account_id = :id", id=self.account_id)

    def known(self) -> list[str]:
        """The ids in the database, in the order in which accounts got theirs."""
        return [remote_id for (remote_id,) in self.sql(_REMOTE_IDS)]

    def alive(self) -> list[str]:
        """The ids at the provider, in the order of their creation."""
        return [each["id"] for each in self.microsoft.notifier.list_active_subscriptions()]

    def inject_fault(self, method: str, path: str, fault: Fault, times: int | None = 1) -> None:
        rule = FaultRule(method=method, path=path, fault=fault, times=times)
        self.microsoft.service.faults.add_rules(rule)

    @contextmanager
    def requests(self) -> Iterator[list[tuple[str, int]]]:
        """The requests about subscriptions within the block, each with its status."""
        seen: list[tuple[str, int]] = []
        self.microsoft.service.log.clear()
        yield seen
        records = self.microsoft.service.log.records()
        seen += [(each.method, each.status) for each in records if "/subscriptions" in each.path]

    def subscribe(self, by: str, resource: str = "/me/messages", url: str | None = None) -> str:
        """Create one that the product does not know, by the app or a person; return its id."""
        ann, bo = (
            self.microsoft.service.find_mailbox(f"{each}@example.org") for each in ("ann", "bo")
        )
        body = {
            "changeType": "created,updated,deleted",
            "resource": resource.format(ann=ann.user_id, bo=bo.user_id),
            "notificationUrl": url
            or self.subscriber.url.replace("/hook", "/api/webhooks/microsoft"),
            "expirationDateTime": (datetime.now(UTC) + timedelta(hours=60)).isoformat(),
        }
        people = {"ann": ann, "bo": bo}
        with (
            graph_client(self.microsoft, people[by]) if by in people else app_client(self.microsoft)
        ) as client:
            return str(client.post("/subscriptions", json=body).json()["id"])
