"""Create, read, renew and delete subscriptions.

A signed-in user sees the subscriptions that were made in their name for their own mailbox. The
application without a user lists the subscriptions of all mailboxes, including those made in a
user's name. It reads, renews and deletes only subscriptions of mailboxes that it may read.

Source: Microsoft Graph docs, "subscription resource type", "Create subscription", "Update
    subscription", "List subscriptions", "Change notifications for Outlook resources" and "Receive
    change notifications through webhooks"; error texts and the form of listed resources
    (microsoft-graph-docs #13451) as reported in public.
"""

import re
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from sqlite3 import Row
from typing import Any
from urllib.parse import urlencode, urlsplit
from uuid import uuid4

import httpx

from localdev.simulators.behaviour import MicrosoftBehaviour
from localdev.simulators.database import SimulatorDatabase
from localdev.simulators.graph.call import GraphCall, GraphResult
from localdev.simulators.graph.errors import GraphError, bad_request_error
from localdev.simulators.graph.query import ODataQuery
from localdev.simulators.wire_time import format_utc_seconds

SUBSCRIPTIONS_PATH = "subscriptions"
"""First segment of the path of subscriptions. Unlike other paths, this path names no user."""

VALIDATION_TIMEOUT_S = 10
MIN_MINUTES, MAX_MINUTES = 45, 4_230
MAX_CLIENT_STATE_CHARS = 128
CHANGE_TYPES = frozenset({"created", "updated", "deleted"})
_RESOURCE = re.compile(
    r"/?(?:me|users/(?P<user>[^/]+))"
    r"(?:/mailfolders(?:\('(?P<quoted>[^']+)'\)|/(?P<plain>[^/]+)))?/messages/?",
    re.IGNORECASE,
)
_APP = "the application"
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def find_mailbox_id_or_address(database: SimulatorDatabase, names: Sequence[str], body: Any) -> str:
    """Return the id or address of the mailbox that a request for subscriptions concerns. The
    request comes from the application without a user.

    names: segments of the path. A second segment is the id of a subscription, whose mailbox is
        returned.
    body: JSON of the request. If the path has no second segment, the member `resource` of the body
        names the mailbox.

    Raises:
        GraphError: 404 if the subscription is unknown, 400 if the body names no mailbox.
    """
    if len(names) > 1:
        return str(_found(database, names[1])["mailbox_id"])
    user = _resource(str(_object(body).get("resource") or ""))["user"]
    if user is None:
        raise bad_request_error("/me request is only valid with delegated authentication flow.")
    return str(user)


def create_subscription(call: GraphCall) -> GraphResult:
    wanted = _object(call.json_body)
    change_types = _change_types(wanted)
    folder_id = _folder_id(call, str(wanted.get("resource") or ""))
    state = wanted.get("clientState")
    if state is not None and len(str(state)) > MAX_CLIENT_STATE_CHARS:
        raise _invalid(f"clientState must not exceed {MAX_CLIENT_STATE_CHARS} characters.")
    expires_at = _expires_at(wanted)
    url = str(wanted.get("notificationUrl") or "")
    lifecycle_url = wanted.get("lifecycleNotificationUrl")
    for each in filter(None, (url, lifecycle_url)):
        _shake_hands(str(each))
    subscription_id, database = str(uuid4()), call.mailbox.simulated_mailbox.database
    with database.transaction():
        database.execute_write(
            "INSERT INTO subscription SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1,"
            " coalesce(max(number), 0), ? FROM change",
            *(subscription_id, call.mailbox.user_id, folder_id, wanted["resource"]),
            *(",".join(change_types), url, lifecycle_url, state, expires_at),
            *(call.prefer_header.prefers_immutable_ids, call.signed_in_user_id or _APP),
        )
    return GraphResult(status=201, json_body=_entity(call, _stored(call, subscription_id)))


def list_subscriptions(call: GraphCall) -> GraphResult:
    return _page(
        call.mailbox.simulated_mailbox.database,
        call.odata_query,
        call.behaviour_switches,
        call.base_url,
        where="mailbox_id = ? AND coalesce(creator_id, mailbox_id) = mailbox_id",
        values=(call.mailbox.user_id,),
    )


def list_subscriptions_of_all_mailboxes(
    database: SimulatorDatabase, query: ODataQuery, behaviour: MicrosoftBehaviour, base_url: str
) -> GraphResult:
    """Return one page of the subscriptions of all mailboxes, for the application without a user.

    Subscriptions that were made in a user's name are included.
    """
    return _page(database, query, behaviour, base_url, where="true", values=())


def _page(
    database: SimulatorDatabase,
    query: ODataQuery,
    behaviour: MicrosoftBehaviour,
    base_url: str,
    *,
    where: str,
    values: tuple[str, ...],
) -> GraphResult:
    """Return a page of subscriptions, oldest first. The link to the next page contains the number
    of the last subscription on this page.

    Raises:
        GraphError: 400 if the request has query options, which the service does not support here.
    """
    if query.option_value_by_name.keys() - {"skiptoken"}:
        raise bad_request_error("The query specified in the URI is not valid.")
    size = behaviour.subscriptions_per_page
    rows = database.fetch_rows(
        f"SELECT rowid AS seq, * FROM subscription WHERE {where} AND expires_at > ? AND rowid > ?"
        " ORDER BY rowid LIMIT ?",
        *(*values, time.time(), query.get_integer_option("skiptoken", default=0), size + 1),
    )
    document: dict[str, Any] = {"@odata.context": f"{base_url}/$metadata#subscriptions"}
    if len(rows) > size:
        last = rows[size - 1]["seq"]
        document["@odata.nextLink"] = f"{base_url}/{SUBSCRIPTIONS_PATH}?$skiptoken={last}"
    return GraphResult(json_body={**document, "value": [_listed(row) for row in rows[:size]]})


def _listed(row: Row) -> dict[str, Any]:
    """Return the JSON of a subscription in a list: without client state, and without a slash before
    the resource."""
    return {**_shown(row), "resource": row["resource"].lstrip("/"), "clientState": None}


def get_subscription(call: GraphCall) -> GraphResult:
    return GraphResult(json_body=_entity(call, _stored(call, call.resource_ids_in_path[0])))


def renew_subscription(call: GraphCall) -> GraphResult:
    """Renew the subscription. This also authorizes the subscription again after the lifecycle event
    `reauthorizationRequired`."""
    subscription = _stored(call, call.resource_ids_in_path[0])
    call.mailbox.simulated_mailbox.database.execute_write(
        "UPDATE subscription SET expires_at = ?, authorized = 1 WHERE id = ?",
        *(_expires_at(_object(call.json_body)), subscription["id"]),
    )
    return get_subscription(call)


def delete_subscription(call: GraphCall) -> GraphResult:
    subscription = _stored(call, call.resource_ids_in_path[0])
    call.mailbox.simulated_mailbox.database.execute_write(
        "DELETE FROM subscription WHERE id = ?", subscription["id"]
    )
    return GraphResult(status=204)


def _stored(call: GraphCall, subscription_id: str) -> Row:
    """Return the subscription with this id. Raises GraphError 404 if the subscription is another
    user's, is missing or has expired."""
    row = _found(call.mailbox.simulated_mailbox.database, subscription_id)
    if call.signed_in_user_id and {row["mailbox_id"], _creator(row)} != {call.signed_in_user_id}:
        raise _unknown()
    return row


def _found(database: SimulatorDatabase, subscription_id: str) -> Row:
    """Return the subscription with this id. Raises GraphError 404 if the subscription is missing or
    has expired."""
    row = database.fetch_row(
        "SELECT * FROM subscription WHERE id = ? AND expires_at > ?", subscription_id, time.time()
    )
    if row is None:
        raise _unknown()
    return row


def _unknown() -> GraphError:
    return GraphError(404, "ResourceNotFound", "The object was not found.")


def _creator(row: Row) -> str:
    return str(row["creator_id"] or row["mailbox_id"])


def _entity(call: GraphCall, row: Row) -> dict[str, Any]:
    return {"@odata.context": call.build_odata_context("subscriptions/$entity"), **_shown(row)}


def _shown(row: Row) -> dict[str, Any]:
    return {
        "id": row["id"],
        "resource": row["resource"],
        "changeType": row["change_types"],
        "clientState": row["client_state"],
        "notificationUrl": row["notification_url"],
        "lifecycleNotificationUrl": row["lifecycle_url"],
        "expirationDateTime": format_utc_seconds(datetime.fromtimestamp(row["expires_at"], UTC)),
        "creatorId": _creator(row),
    }


def _object(body: Any) -> Mapping[str, Any]:
    if not isinstance(body, dict):
        raise _invalid("Unable to read JSON request payload.")
    return body


def _change_types(wanted: Mapping[str, Any]) -> list[str]:
    named = [each.strip() for each in str(wanted.get("changeType") or "").split(",")]
    if not set(named) <= CHANGE_TYPES:
        raise _invalid("The value of changeType is not supported for this resource.")
    return named


def _folder_id(call: GraphCall, resource: str) -> str | None:
    """Return the id of the folder that the resource names; None for the whole mailbox.

    Raises:
        FolderNotFound: the mailbox has no such folder.
        GraphError: 400 for a resource that is no mail, 403 for a mailbox of another user.
    """
    match = _resource(resource)
    if match["user"] not in (None, call.mailbox.user_id, call.mailbox.address):
        raise GraphError(403, "ExtensionError", "Operation: Create; Access is denied.")
    folder = match["quoted"] or match["plain"]
    return call.mailbox.folders.find_folder(folder).id if folder else None


def _resource(resource: str) -> re.Match[str]:
    match = _RESOURCE.fullmatch(resource)
    if match is None:
        raise _invalid(f"Resource '{resource}' is not supported.")
    return match


def _expires_at(wanted: Mapping[str, Any]) -> float:
    """Return the expiration time in seconds since 1970. A subscription lasts at least 45 minutes,
    as documented. Raises GraphError 400 for a malformed, past or too late time."""
    now = time.time()
    try:
        moment = datetime.fromisoformat(str(wanted.get("expirationDateTime")))
    except ValueError:
        raise _invalid("expirationDateTime is missing or malformed.") from None
    requested = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    if requested <= now:
        raise _invalid("Subscription expiration must be in the future.")
    if requested > now + MAX_MINUTES * 60:
        message = f"Subscription expiration can only be {MAX_MINUTES} minutes in the future."
        raise bad_request_error(message, "ExtensionError")
    return max(requested, now + MIN_MINUTES * 60)


def _shake_hands(url: str) -> None:
    """Post a validation token to a notification URL. Raise GraphError 400 if the response is not
    this token as plain text, or if the URL has another scheme than https (http on loopback)."""
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise _invalid("The notification URL's scheme must be https.")
    token = f"Validation: Testing client application reachability for Request-Id: {uuid4()}"
    glue = "&" if parts.query else "?"
    try:
        response = httpx.post(
            f"{url}{glue}{urlencode({'validationToken': token})}",
            headers={"Content-Type": "text/plain; charset=utf-8"},
            timeout=VALIDATION_TIMEOUT_S,
            trust_env=False,
        )
    except httpx.HTTPError as error:
        raise _unvalidated(type(error).__name__) from None
    is_text = response.headers.get("content-type", "").startswith("text/plain")
    if response.status_code != 200 or not is_text or response.text != token:
        raise _unvalidated(f"HTTP status code {response.status_code}")


def _unvalidated(why: str) -> GraphError:
    message = (
        "Subscription validation request failed. Notification endpoint must respond with 200 OK"
        f" to validation request. {why}."
    )
    return bad_request_error(message, "ValidationError")


def _invalid(message: str) -> GraphError:
    return bad_request_error(message, "InvalidRequest")
