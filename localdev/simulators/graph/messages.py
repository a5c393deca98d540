"""Listing, reading and changing messages.

Source: Microsoft Graph docs, user-list-messages, message-get, message-update, message-move.
"""

from typing import Any

from localdev.simulators.graph.call import Answer, Call
from localdev.simulators.graph.errors import GraphError, bad_request
from localdev.simulators.graph.query import DEFAULT_PAGE, MAX_LIST_PAGE
from localdev.simulators.graph.shapes import message_object
from localdev.simulators.mailbox import (
    COLUMNS,
    MessageNotFound,
    StoredMessage,
    stored_message,
)
from localdev.simulators.mime import compose_mime

_WRITABLE = frozenset(
    ("isRead", "categories", "flag", "importance", "subject", "inferenceClassification")
)


def list_messages(call: Call) -> Answer:
    """One folder, or the whole mailbox when no folder is named; `$skip` pages through it."""
    where, values, path = _scope(call)
    top = call.query.number("top", default=DEFAULT_PAGE, least=1, most=MAX_LIST_PAGE)
    skip = call.query.number("skip", default=0)
    order = "DESC" if call.query.newest_first(ascending_allowed=True) else "ASC"
    operator, received_at = call.query.received_since() or (">=", "")
    where += f" AND received_at {operator} ?"
    rows = call.mailbox.database.rows(
        f"SELECT {COLUMNS} FROM message WHERE {where}"
        f" ORDER BY received_at {order}, seq {order} LIMIT ? OFFSET ?",
        *(*values, received_at, top + 1, skip),
    )
    view = call.view
    value = [message_object(stored_message(row), view) for row in rows[:top]]
    document: dict[str, Any] = {"@odata.context": call.context("messages")}
    if call.query.is_true("count"):
        counted = call.mailbox.database.row(
            f"SELECT count(*) AS n FROM message WHERE {where}", *values, received_at
        )
        document["@odata.count"] = counted["n"] if counted else 0
    if len(rows) > top:
        document["@odata.nextLink"] = call.url(path, {**call.query.options, "skip": skip + top})
    full = len(value) if view.wants("body") else 0
    return Answer(document=document | {"value": value}, full=full, lean=len(value) - full)


def get_message(call: Call) -> Answer:
    return _one(call, _readable(call))


def get_mime(call: Call) -> Answer:
    """`GET …/messages/{id}/$value`: the message as RFC 5322."""
    message = _readable(call)
    content = call.mailbox.mime(message.immutable_id) or compose_mime(message)
    return Answer(content=content, headers={"Content-Type": "text/plain"}, full=1)


def update_message(call: Call) -> Answer:
    message_id = call.names[-1]
    if not isinstance(call.body, dict) or not call.body:
        raise bad_request("Empty Payload. JSON content expected.", "RequestBodyRead")
    for name in call.body.keys() - _WRITABLE:
        raise bad_request(f"The property '{name}' cannot be updated.", "ErrorInvalidPropertySet")
    call.mailbox.update(message_id, **call.body)
    return _one(call, call.mailbox.message(message_id))


def move_message(call: Call) -> Answer:
    moved = call.mailbox.move(call.names[-1], _destination(call))
    return _one(call, call.mailbox.message(moved), status=201)


def copy_message(call: Call) -> Answer:
    copied = call.mailbox.copy(call.names[-1], _destination(call))
    return _one(call, call.mailbox.message(copied), status=201)


def delete_message(call: Call) -> Answer:
    """Soft: to Deleted Items."""
    call.mailbox.delete(call.names[-1])
    return Answer(status=204)


def delete_permanently(call: Call) -> Answer:
    if not call.headers.get("Content-Length"):
        raise GraphError(411, "UnknownError", "")
    call.mailbox.delete_permanently(call.names[-1])
    return Answer(status=204)


def _readable(call: Call) -> StoredMessage:
    message = call.mailbox.message(call.names[-1])
    purges = call.mailbox.folders.find("recoverableitemspurges").id
    if message.folder_id == purges and not call.behaviour.purged_stay_readable:
        raise MessageNotFound(call.names[-1])
    return message


def _one(call: Call, message: StoredMessage, status: int = 200) -> Answer:
    view = call.view
    context = {"@odata.context": call.context("messages/$entity")}
    full = view.wants("body")
    return Answer(
        status=status,
        document=context | message_object(message, view),
        full=int(full),
        lean=int(not full),
    )


def _scope(call: Call) -> tuple[str, tuple[str, ...], str]:
    if call.names:
        folder = call.mailbox.folders.find(call.names[0])
        return "folder_id = ?", (folder.id,), f"mailFolders('{folder.id}')/messages"
    folders = [folder.id for folder in call.mailbox.folders.all()]
    return f"folder_id IN ({','.join('?' * len(folders))})", tuple(folders), "messages"


def _destination(call: Call) -> str:
    destination = call.body.get("destinationId") if isinstance(call.body, dict) else None
    if not isinstance(destination, str):
        raise bad_request("destinationId is required.", "ErrorInvalidRequest")
    return destination
