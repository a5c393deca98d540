"""Subscriptions of Microsoft Graph: it calls our webhook when mail changes.

One covers the whole mailbox, of whoever is signed in or, for the application itself, of any user
whose mail it may read. Sources: Microsoft Graph docs, "subscription resource type", "Change
notifications for Outlook resources", "Receive change notifications through webhooks" and "Reduce
missing subscriptions and change notifications".
"""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from mailsync.errors import ProviderUnavailable
from mailsync.model import PushChannel, RemoteId
from mailsync.providers import AccessSource
from mailsync.providers.graph_errors import Answer, Asked, refusal
from mailsync.providers.graph_http import GraphClient, mailbox_path
from mailsync.providers.graph_messages import read_id
from mailsync.providers.patience import Patience

# Refused for good when renewed: it expired, was removed, or belongs to another app.
_GONE = frozenset({400, 404, 410})


class GraphPush:
    """See `PushProvider`; `user` as in `GraphMailbox`."""

    def __init__(
        self,
        *,
        base_url: str,
        access: AccessSource,
        ca_bundle: str | None,
        user: str | None = None,
        patience: Patience | None = None,
    ) -> None:
        self._graph = GraphClient(
            base_url=base_url,
            mailbox=mailbox_path(user),
            access=access,
            ca_bundle=ca_bundle,
            patience=patience or Patience(),
            on_request=lambda: None,
        )

    def open(self, callback_url: str, secret: str, until: datetime) -> PushChannel:
        """Only mail is named, so folders that change without it are left to the schedule."""
        wanted = {
            "changeType": "created,updated,deleted",
            "resource": f"{self._graph.mailbox}/messages",
            "notificationUrl": callback_url,
            "lifecycleNotificationUrl": callback_url,
            "clientState": secret,
            "expirationDateTime": _wire_time(until),
        }
        answer = self._graph.send("POST", "/subscriptions", wanted)
        if answer.status != 201:
            raise refusal(answer, Asked.MAILBOX)
        return PushChannel(read_id(answer.body), _expiry(answer))

    def extend(self, remote_id: RemoteId, until: datetime) -> datetime | None:
        wanted = {"expirationDateTime": _wire_time(until)}
        answer = self._graph.send("PATCH", _path(remote_id), wanted)
        if answer.status in _GONE:
            return None
        if not answer.ok:
            raise refusal(answer, Asked.MAILBOX)
        return _expiry(answer)

    def end(self, remote_id: RemoteId) -> None:
        answer = self._graph.send("DELETE", _path(remote_id))
        if answer.status != 204 and answer.status not in _GONE:
            raise refusal(answer, Asked.MAILBOX)

    def close(self) -> None:
        self._graph.close()


def _path(remote_id: RemoteId) -> str:
    return f"/subscriptions/{quote(remote_id, safe='')}"


def _wire_time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _expiry(answer: Answer) -> datetime:
    try:
        return datetime.fromisoformat(_text(answer, "expirationDateTime")).astimezone(UTC)
    except ValueError:
        raise _left_out("expirationDateTime") from None


def _text(answer: Answer, name: str) -> str:
    value: Any = answer.body.get(name)
    if not isinstance(value, str) or not value:
        raise _left_out(name)
    return value


def _left_out(name: str) -> ProviderUnavailable:
    return ProviderUnavailable(
        f"Microsoft Graph left out '{name}' of a subscription; trying again."
    )
