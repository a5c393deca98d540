"""Create, renew, list and end subscriptions of Microsoft Graph. Graph calls Mailsync's webhook when
mail changes.

A subscription covers a whole mailbox: with a person's token the mailbox of that person, with an
app-only token any mailbox that the application may read. Sources: Microsoft Graph docs,
"subscription resource type", "List subscriptions", "Change notifications for Outlook resources",
"Receive change notifications through webhooks" and "Reduce missing subscriptions and change
notifications".
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from mailsync.errors import ProviderUnavailable
from mailsync.model import RemoteId, Subscription
from mailsync.providers import AccessTokenSource
from mailsync.providers.graph.errors import GraphResponse, RequestedResourceKind, to_mailsync_error
from mailsync.providers.graph.http import GraphClient, build_mailbox_path
from mailsync.providers.graph.messages import read_object_id
from mailsync.providers.graph.responses import parse_object_list
from mailsync.providers.retry_budget import RetryBudget
from mailsync.response_body import MAX_BYTES_OF_RESPONSE_WITHOUT_MAIL

# The subscription expired, was removed, or belongs to another app. Some subscriptions get these
# statuses for a moment and continue to notify, so nothing relies on them.
_GONE = frozenset({400, 404, 410})
MAX_SUBSCRIPTION_LIST_PAGES = 100
"""The maximum number of pages that are read of a list of subscriptions. Graph has listed more than
50 empty pages (microsoft-graph-docs #17354)."""
_SUBSCRIPTIONS = "/subscriptions"
# Graph lists resources with and without a leading slash: `me/…`, `users/ID/…`, `Users('ID')/…`.
_RESOURCE = re.compile(r"/?(?:me|users(?:/|\(')(?P<user>[^/']+)(?:'\))?)/.+", re.IGNORECASE)


class GraphPush:
    """A client for the push subscriptions of one Microsoft 365 mailbox; implements `PushProvider`.

    user: id or address of the mailbox's user. None: the person who granted the access token.
    owner: id of the mailbox's user, also if `user` is None.
    """

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
            mailbox=build_mailbox_path(user),
            access=access,
            ca_bundle=ca_bundle,
            budget=budget or RetryBudget(),
            on_request=lambda _: None,
            limit_bytes=MAX_BYTES_OF_RESPONSE_WITHOUT_MAIL,
        )
        self._owner = owner
        self._is_app_only = user is not None

    def subscribe(self, callback_url: str, secret: str, until: datetime) -> Subscription:
        """Create a subscription to changes of messages. The subscription does not report changes of
        folders; scheduled checks find those."""
        wanted = {
            "changeType": "created,updated,deleted",
            "resource": f"{self._graph.mailbox}/messages",
            "notificationUrl": callback_url,
            "lifecycleNotificationUrl": callback_url,
            "clientState": secret,
            "expirationDateTime": _wire_time(until),
        }
        response = self._graph.send_write_request("POST", _SUBSCRIPTIONS, wanted)
        if response.status != 201:
            raise to_mailsync_error(response, RequestedResourceKind.IN_MAILBOX)
        return Subscription(read_object_id(response.body), _expiry(response))

    def renew_subscription(
        self, remote_id: RemoteId, callback_url: str, until: datetime
    ) -> datetime | None:
        wanted = {"expirationDateTime": _wire_time(until)}
        response = self._graph.send_write_request("PATCH", _path(remote_id), wanted)
        if response.status in _GONE:
            return None
        if not response.has_status_200:
            raise to_mailsync_error(response, RequestedResourceKind.IN_MAILBOX)
        is_another = response.body.get("id", remote_id) != remote_id
        leads_elsewhere = response.body.get("notificationUrl", callback_url) != callback_url
        return None if is_another or leads_elsewhere else _expiry(response)

    def find_subscriptions(self, callback_urls: Sequence[str]) -> Iterator[Sequence[RemoteId]]:
        """Yield the ids of the mailbox's subscriptions that notify one of `callback_urls`, for each
        page of Graph's list; see `PushProvider`.

        With a person's token, Graph lists the subscriptions of this person. With an app-only token,
        it lists the application's subscriptions of every mailbox, also those that were created with
        a person's token or by other stages.
        """
        path = _SUBSCRIPTIONS
        for _ in range(MAX_SUBSCRIPTION_LIST_PAGES):
            response = self._graph.get(path)
            if not response.has_status_200:
                raise to_mailsync_error(response, RequestedResourceKind.IN_MAILBOX)
            listed = parse_object_list(response, "value")
            yield [
                RemoteId(each["id"])
                for each in listed
                if isinstance(each.get("id"), str)
                and each.get("notificationUrl") in callback_urls
                and self._is_of_mailbox(each)
            ]
            link = response.body.get("@odata.nextLink")
            if link is None:
                return
            path = self._graph.extract_path_from_link(link)
        raise ProviderUnavailable(
            f"Microsoft Graph listed more than {MAX_SUBSCRIPTION_LIST_PAGES} pages of"
            " subscriptions;"
            " those behind are left to expire."
        )

    def unsubscribe(self, remote_id: RemoteId) -> bool:
        response = self._graph.send_write_request("DELETE", _path(remote_id))
        if response.status != 204 and response.status not in _GONE:
            raise to_mailsync_error(response, RequestedResourceKind.IN_MAILBOX)
        return response.status == 204

    def _is_of_mailbox(self, subscription: Mapping[str, Any]) -> bool:
        """Return whether the subscription's resource is this mailbox. In a resource, `me` is the
        user who created the subscription."""
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


def _expiry(response: GraphResponse) -> datetime:
    try:
        return datetime.fromisoformat(_text(response, "expirationDateTime")).astimezone(UTC)
    except ValueError:
        raise _left_out("expirationDateTime") from None


def _text(response: GraphResponse, name: str) -> str:
    value: Any = response.body.get(name)
    if not isinstance(value, str) or not value:
        raise _left_out(name)
    return value


def _left_out(name: str) -> ProviderUnavailable:
    return ProviderUnavailable(
        f"Microsoft Graph left out '{name}' of a subscription; trying again."
    )
