"""Make Gmail publish the changes of one mailbox to the stage's Pub/Sub topic (`watch`), and stop it
(`stop`).

A mailbox has one watch per Google project. Calling `watch` again renews it, and `stop` ends it for
all accounts of the mailbox. Gmail gives a watch no id, so Mailsync uses the mailbox's address, `#`
and the account's id. Pushes name the mailbox by its address.

Sources: Gmail API documentation, "Push notifications", users.watch and users.stop; captures in
public issue reports ("Only one user push notification client allowed per developer").
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from ssl import SSLContext
from typing import Any

from mailsync.errors import MailsyncError, ProviderRejected, ProviderThrottled, ProviderUnavailable
from mailsync.json_request import JsonRequestFailed, JsonResponse, send_json_request
from mailsync.model import AccountId, RemoteId, Subscription
from mailsync.providers import AccessTokenSource

REQUEST_TIMEOUT_S = 20.0
_ME = "gmail/v1/users/me"
_ONLY_ONE = "only one user push notification client"
_RATE_REASONS = ("ratelimitexceeded", "userratelimitexceeded", "quota exceeded")


class GmailPush:
    """A client for the watch of one mailbox; implements `PushProvider`.

    base_url: URL of the Gmail API without the version.
    topic: full name of the Pub/Sub topic.
    """

    def __init__(
        self,
        *,
        base_url: str,
        account_id: AccountId,
        topic: str,
        access: AccessTokenSource,
        tls: SSLContext,
    ) -> None:
        self._url = f"{base_url}/{_ME}"
        self._account_id = account_id
        self._topic = topic
        self._access = access
        self._tls = tls

    def subscribe(self, callback_url: str, secret: str, until: datetime) -> Subscription:
        """Start the watch. `callback_url` and `secret` are not sent: Pub/Sub pushes to the address
        that is configured for the topic, and signs its pushes."""
        return Subscription(self._remote_id(), self._watch(until))

    def renew_subscription(
        self, remote_id: RemoteId, callback_url: str, until: datetime
    ) -> datetime | None:
        """Renew the watch and return its new expiry. Return None if the mailbox has another address
        now; the caller must then subscribe again."""
        if remote_id != self._remote_id():
            return None
        return self._watch(until)

    def find_subscriptions(self, callback_urls: Sequence[str]) -> Iterator[Sequence[RemoteId]]:
        """Yield nothing: Gmail has no list of watches, and a new watch replaces the earlier one."""
        return iter(())

    def unsubscribe(self, remote_id: RemoteId) -> bool:
        """End the watch of the mailbox. Several accounts of Mailsync may mirror one mailbox; none
        of them gets pushes any more.

        Returns True in any case, because Gmail does not report whether a watch existed.
        """
        _require_success(self._request("POST", "stop", {}))
        return True

    def close(self) -> None:
        """Do nothing: each request has a connection of its own."""

    def _remote_id(self) -> RemoteId:
        profile = _require_success(self._request("GET", "profile", None))
        address = profile.get("emailAddress")
        if not isinstance(address, str) or "@" not in address:
            raise _unusable("the profile names no address")
        return RemoteId(f"{address.lower()}#{self._account_id}")

    def _watch(self, until: datetime) -> datetime:
        """Start or renew the watch; return the earlier of its expiry and `until`."""
        topic = {"topicName": self._topic}
        response = self._request("POST", "watch", topic)
        if response.status == 400 and _ONLY_ONE in json.dumps(response.json_body).lower():
            # The watch has an earlier topic of this stage; a mailbox has one watch per project.
            _require_success(self._request("POST", "stop", {}))
            response = self._request("POST", "watch", topic)
        watch = _require_success(response)
        try:
            expires_at = datetime.fromtimestamp(int(watch["expiration"]) / 1000, UTC)
        except (KeyError, TypeError, ValueError, OverflowError, OSError):
            raise _unusable("the watch has no expiry") from None
        return min(expires_at, until)

    def _request(self, method: str, path: str, body: Mapping[str, Any] | None) -> JsonResponse:
        """Send a request and return its response. Renew a rejected token once."""
        token = self._access.get_current_token()
        response = self._send(method, path, body, token.token)
        if response.status == 401:
            token = self._access.get_token_after_refusal(token)
            response = self._send(method, path, body, token.token)
        return response

    def _send(
        self, method: str, path: str, body: Mapping[str, Any] | None, access_token: str
    ) -> JsonResponse:
        try:
            return send_json_request(
                method,
                f"{self._url}/{path}",
                tls=self._tls,
                timeout_s=REQUEST_TIMEOUT_S,
                body=body,
                access_token=access_token,
            )
        except JsonRequestFailed as error:
            raise _unusable(str(error)) from None


def _require_success(response: JsonResponse) -> Mapping[str, Any]:
    """Return the body of a successful response; raise the exception for any other."""
    if not 200 <= response.status < 300:
        raise _to_error(response)
    return response.json_body


def _to_error(response: JsonResponse) -> MailsyncError:
    """Return the exception for a failed request. Its text does not quote Gmail's text, which can
    contain an address."""
    status, text = response.status, json.dumps(response.json_body).lower()
    if status == 429 or (status == 403 and any(each in text for each in _RATE_REASONS)):
        return ProviderThrottled(
            f"Gmail throttles requests about notifications ({status}). The mailbox is checked on"
            " schedule; the notifications are requested again.",
            retry_after_s=response.retry_after_s,
        )
    if status in (400, 403, 404):
        return ProviderRejected(
            f"Gmail refused to publish changes to GOOGLE_PUBSUB_TOPIC ({status}). The mailbox is"
            " checked on schedule, so new mail arrives later; check that the topic is in the"
            " project of the OAuth client and that gmail-api-push@system.gserviceaccount.com may"
            " publish to it."
        )
    return _unusable(f"status {status}")


def _unusable(cause: str) -> ProviderUnavailable:
    return ProviderUnavailable(
        f"Gmail did not start its notifications ({cause}). The mailbox is checked on schedule; the"
        " notifications are requested again."
    )
