"""Ann's mirrored mailbox, the product that subscribes to it, and the provider."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from localdev.simulators import Simulators
from localdev.simulators.faults import Fault, Rule
from localdev.simulators.service import TENANT_ID
from mailsync.model import AccountId
from tests.api.conftest import Ask, Sql
from tests.api.connecting import BEGIN, CALLBACK, choose, cookie_of
from tests.providers.simulators.graph_client import app_client, graph_client
from tests.providers.simulators.subscriber import Subscriber

ANN = "ann@example.org"
ONE, ALL, LIST = "/subscriptions/", "/subscriptions$", r"/subscriptions(\?|$)"
"""For fault rules: requests to a subscription, for a new one, and pages of the list."""
_HELD = "SELECT remote_id FROM mailsync.provider_subscriptions ORDER BY created_at"
_DUE = "UPDATE mailsync.provider_subscriptions SET next_try_at = now() WHERE account_id = :id"


@dataclass(frozen=True)
class Subscribed:
    provider: Simulators
    subscriber: Subscriber
    ask: Ask
    sql: Sql

    @property
    def account_id(self) -> AccountId:
        """The first that was connected."""
        first = "SELECT id::text FROM mailsync.email_accounts ORDER BY created_at LIMIT 1"
        return AccountId(self.sql(first)[0][0])

    @property
    def callback_url(self) -> str:
        return self.subscriber.url.replace("/hook", "/api/webhooks/microsoft")

    def sign_in(self, user: str) -> None:
        """Connect Ann's mailbox for a user of the application, and mirror it."""
        begun = self.ask(BEGIN, user=user)
        query = choose(self.provider, begun, account=ANN)
        self.ask(CALLBACK, query=query, cookies=cookie_of(begun), user=None)
        self._mirrored()

    def let_in(self) -> None:
        """Connect it by its organisation."""
        body = {"tenantId": TENANT_ID, "emailAddress": ANN, "userId": "ann"}
        self.ask("POST /api/email/accounts/microsoft", body=body, admin=True, user="root")
        self._mirrored()

    def disconnect(self) -> None:
        assert self.ask(f"DELETE /api/email/accounts/{self.account_id}").status == 200

    def make_due(self) -> None:
        self.sql(_DUE, id=self.account_id)

    def held(self) -> list[str]:
        """The ids that the database holds, in the order in which accounts got theirs."""
        return [remote_id for (remote_id,) in self.sql(_HELD)]

    def alive(self) -> list[str]:
        """The ids that notify somebody, in the order of their creation."""
        return [each["id"] for each in self.provider.notifier.subscriptions()]

    def strike(self, method: str, path: str, fault: Fault, times: int | None = 1) -> None:
        rule = Rule(method=method, path=path, fault=fault, times=times)
        self.provider.service.faults.add(rule)

    @contextmanager
    def watched(self) -> Iterator[list[tuple[str, int]]]:
        """The requests about subscriptions within the block, each with its status."""
        seen: list[tuple[str, int]] = []
        self.provider.service.log.clear()
        yield seen
        records = self.provider.service.log.records()
        seen += [(each.method, each.status) for each in records if "/subscriptions" in each.path]

    def subscribe(self, by: str, resource: str = "/me/messages", url: str | None = None) -> str:
        """Make one that the product does not know: by the app or a person; its id."""
        ann, bo = (self.provider.service.mailbox(f"{name}@example.org") for name in ("ann", "bo"))
        wanted = {
            "changeType": "created,updated,deleted",
            "resource": resource.format(ann=ann.user_id, bo=bo.user_id),
            "notificationUrl": url or self.callback_url,
            "expirationDateTime": (datetime.now(UTC) + timedelta(hours=60)).isoformat(),
        }
        people = {"ann": ann, "bo": bo}
        with (
            graph_client(self.provider, people[by]) if by in people else app_client(self.provider)
        ) as client:
            return str(client.post("/subscriptions", json=wanted).json()["id"])

    def _mirrored(self) -> None:
        self.sql("UPDATE mailsync.email_accounts SET initial_sync_completed = true")
