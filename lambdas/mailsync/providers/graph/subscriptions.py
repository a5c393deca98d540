"""Subscriptions of Microsoft Graph: it calls our webhook when mail changes.

One covers the whole mailbox, of whoever is signed in or, for the application itself, of any user
whose mail it may read. Sources: Microsoft Graph docs, "subscription resource type", "List
subscriptions", "Change notifications for Outlook resources", "Receive change notifications through
webhooks" and "Reduce missing subscriptions and change notifications".
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from mailsync.errors import ProviderUnavailable
from mailsync.model import RemoteId, Subscription
from mailsync.providers import AccessTokenSource
from mailsync.providers.graph.errors import GraphResponse, Target, to_error
from mailsync.providers.graph.http import GraphClient, mailbox_path, read_list
from mailsync.providers.graph.messages import read_id
from mailsync.providers.retry_budget import RetryBudget
from mailsync.response_body import SMALL_BODY_BYTES

# Refused for good: it expired, was removed, or belongs to another app. Some answer so for a moment
# and go on notifying, so nothing relies on it.
_GONE = frozenset({400, 404, 410})
MAX_LIST_PAGES = 100
"""Of a list that does not end: more than 50 empty pages were seen (microsoft-graph-docs #17354)."""
_SUBSCRIPTIONS = "/subscriptions"
# Listed with and without the slash, as `me/…`, `users/ID/…` or `Users('ID')/…`.
_RESOURCE = re.compile(r"/?(?:me|users(?:/|\(')(?P<user>[^/']+)(?:'\))?)/.+", re.IGNORECASE)


class GraphPush:
    """See `PushProvider`; `user` as in `GraphMailbox`, `owner` the mailbox' user in any case."""

    def __init__(
        self,
        *,
        base_url: str,
        access: AccessTokenSource,
        ca_bundle: str | None,
        owner: str,
        user: str | None = None,
        budget: RetryBudget | None = None,
    ) -> None:
        self._graph = GraphClient(
            base_url=base_url,
            mailbox=mailbox_path(user),
            access=access,
            ca_bundle=ca_bundle,
            budget=budget or RetryBudget(),
            on_request=lambda _: None,
            limit_bytes=SMALL_BODY_BYTES,
        )
        self._owner = owner
        self._is_app_only = user is not None

    def subscribe(self, callback_url: str, secret: str, until: datetime) -> Subscription:
        """Only mail is named, so folders that change without it are left to the schedule."""
        wanted = {
            "changeType": "created,updated,deleted",
            "resource": f"{self._graph.mailbox}/messages",
            "notificationUrl": callback_url,
            "lifecycleNotificationUrl": callback_url,
            "clientState": secret,
            "expirationDateTime": _wire_time(until),
        }
        answer = self._graph.send("POST", _SUBSCRIPTIONS, wanted)
        if answer.status != 201:
            raise to_error(answer, Target.MAILBOX)
        return Subscription(read_id(answer.body), _expiry(answer))

    def renew(self, remote_id: RemoteId, callback_url: str, until: datetime) -> datetime | None:
        wanted = {"expirationDateTime": _wire_time(until)}
        answer = self._graph.send("PATCH", _path(remote_id), wanted)
        if answer.status in _GONE:
            return None
        if not answer.ok:
            raise to_error(answer, Target.MAILBOX)
        is_another = answer.body.get("id", remote_id) != remote_id
        leads_elsewhere = answer.body.get("notificationUrl", callback_url) != callback_url
        return None if is_another or leads_elsewhere else _expiry(answer)

    def find(self, callback_urls: Sequence[str]) -> Iterator[Sequence[RemoteId]]:
        """Yield a list for each page; see `PushProvider`.

        A signed-in person is shown his own subscriptions. The application is shown those of every
        mailbox that it, or a person through it, has subscribed to: also for another stage.
        """
        path = _SUBSCRIPTIONS
        for _ in range(MAX_LIST_PAGES):
            answer = self._graph.get(path)
            if not answer.ok:
                raise to_error(answer, Target.MAILBOX)
            listed = read_list(answer, "value")
            yield [
                RemoteId(each["id"])
                for each in listed
                if isinstance(each.get("id"), str)
                and each.get("notificationUrl") in callback_urls
                and self._is_of_mailbox(each)
            ]
            link = answer.body.get("@odata.nextLink")
            if link is None:
                return
            path = self._graph.path_of(link)
        raise ProviderUnavailable(
            f"Microsoft Graph listed more than {MAX_LIST_PAGES} pages of subscriptions;"
            " those behind are left to expire."
        )

    def unsubscribe(self, remote_id: RemoteId) -> bool:
        answer = self._graph.send("DELETE", _path(remote_id))
        if answer.status != 204 and answer.status not in _GONE:
            raise to_error(answer, Target.MAILBOX)
        return answer.status == 204

    def _is_of_mailbox(self, subscription: Mapping[str, Any]) -> bool:
        """Return whether its resource is this mailbox; `me` is whoever created it."""
        resource = _RESOURCE.fullmatch(str(subscription.get("resource")))
        if resource is None:
            return False
        named = resource["user"]
        if named is None:
            named = subscription.get("creatorId") if self._is_app_only else self._owner
        return str(named).casefold() == self._owner.casefold()

    def close(self) -> None:
        self._graph.close()


def _path(remote_id: RemoteId) -> str:
    return f"{_SUBSCRIPTIONS}/{quote(remote_id, safe='')}"


def _wire_time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _expiry(answer: GraphResponse) -> datetime:
    try:
        return datetime.fromisoformat(_text(answer, "expirationDateTime")).astimezone(UTC)
    except ValueError:
        raise _left_out("expirationDateTime") from None


def _text(answer: GraphResponse, name: str) -> str:
    value: Any = answer.body.get(name)
    if not isinstance(value, str) or not value:
        raise _left_out(name)
    return value


def _left_out(name: str) -> ProviderUnavailable:
    return ProviderUnavailable(
        f"Microsoft Graph left out '{name}' of a subscription; trying again."
    )
