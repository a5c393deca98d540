"""Parse messages and changes of messages from the JSON of Microsoft Graph.

Every property may be absent or null: drafts have no sender, and a contact or a note in Deleted
Items arrives as a message with hardly any property. Source: Microsoft Graph docs, "message resource
type" and "Get incremental changes to messages in a folder".
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from mailsync.errors import ProviderUnavailable
from mailsync.model import (
    MAX_REMOTE_ID_BYTES,
    Address,
    ListedMessage,
    Message,
    MessageChange,
    MessageRemovedFromFolder,
    MessageToFetchById,
    RemoteId,
    UnreadableMessage,
    Upsert,
)

JsonObject = Mapping[str, Any]


class _MalformedError(Exception):
    """A property is not of the documented type."""


def parse_change(item: JsonObject) -> MessageChange:
    """Parse one item of a page of a delta feed.

    The result is a MessageRemovedFromFolder if Graph reports a removal, an Upsert if the item has
    all selected properties, and else a MessageToFetchById, after which the caller fetches the
    message. If a complete message has impossible values, the result is an UnreadableMessage.

    Graph promises "at least" the changed properties, so other properties may have changed too. If a
    message was moved away and back, Graph may report only the read state, and nothing in the feed
    of the other folder (microsoftgraph/microsoft-graph-docs-contrib #72).

    Raises:
        ProviderUnavailable: the item has no id.
    """
    if "@removed" in item:
        return MessageRemovedFromFolder(read_object_id(item))
    if not _is_whole(item):
        return MessageToFetchById(read_object_id(item))
    message = parse_message(item)
    return Upsert(message) if isinstance(message, Message) else message


def parse_change_without_body(item: JsonObject) -> MessageChange:
    """Parse one item of a feed without bodies. The result names only the id, the state and the time
    of receipt of the message; the caller fetches the message by id. For a removal, the result is a
    MessageRemovedFromFolder."""
    if "@removed" in item:
        return MessageRemovedFromFolder(read_object_id(item))
    return MessageToFetchById(
        read_object_id(item),
        parse_listed_message(item) if item.keys() >= _STATE else None,
        _moment_or_none(item.get("receivedDateTime")),
    )


def parse_listed_message(item: JsonObject) -> ListedMessage:
    """Parse one message of a list without bodies. The result has the message's id and the state
    that is compared with the stored message.

    Raises:
        ProviderUnavailable: the message has no id.
    """
    return ListedMessage(
        remote_id=read_object_id(item),
        is_read=item.get("isRead") is True,
        remote_version=_version(item),
        modified_at=_moment_or_none(item.get("lastModifiedDateTime")),
    )


def parse_message(item: JsonObject) -> Message | UnreadableMessage:
    """Parse a complete message. The result is an UnreadableMessage with the cause `malformed` if
    the message has impossible values.

    Raises:
        ProviderUnavailable: the message has no id.
    """
    try:
        return Message(
            remote_id=read_object_id(item),
            folder_remote_ids=(_folder_id(item),),
            message_kind=_kind(item),
            remote_version=_version(item),
            **_fields(item),
        )
    except _MalformedError as malformed:
        return _unreadable(item, malformed)


def _unreadable(item: JsonObject, malformed: _MalformedError) -> UnreadableMessage:
    detail = f"The property {malformed} is not as Microsoft Graph documents it."
    return UnreadableMessage(read_object_id(item), "malformed", detail)


def read_object_id(item: JsonObject) -> RemoteId:
    """Return the id of a Graph object: a message, folder, user or subscription.

    Raises:
        ProviderUnavailable: the object has no id, or the id is too long.
    """
    remote_id = item.get("id")
    if not isinstance(remote_id, str) or not remote_id:
        raise ProviderUnavailable("Microsoft Graph sent an entry without an id; trying again.")
    if len(remote_id.encode("utf-8", "surrogatepass")) > MAX_REMOTE_ID_BYTES:
        raise ProviderUnavailable(
            f"Microsoft Graph sent an entry with an id of more than {MAX_REMOTE_ID_BYTES:,} bytes;"
            " trying again."
        )
    return RemoteId(remote_id)


def _folder_id(item: JsonObject) -> RemoteId:
    folder_id = item.get("parentFolderId")
    if not isinstance(folder_id, str) or not folder_id:
        raise _MalformedError("parentFolderId")
    return RemoteId(folder_id)


def _is_whole(item: JsonObject) -> bool:
    """Return whether all selected properties are present; a draft may lack its sender."""
    missing = _WHOLE - item.keys()
    return not missing or (missing == {"from"} and item.get("isDraft") is True)


def _version(item: JsonObject) -> str | None:
    """Return the etag, which contains the change key. The etag may stay the same when the read
    state changes. None: the item has no usable etag."""
    etag = item.get("@odata.etag")
    return etag if isinstance(etag, str) and etag.isprintable() else None


def _kind(item: JsonObject) -> str:
    """Return Graph's type: `message`, or a derived type such as `eventMessageRequest`."""
    kind = item.get("@odata.type")
    return kind.rpartition(".")[2] if isinstance(kind, str) else "message"


def _fields(item: JsonObject) -> dict[str, Any]:
    """Return the item's properties by the field names of `Message`."""
    fields: dict[str, Any] = {}
    for name, (field, read) in _PROPERTIES.items():
        if name not in item:
            continue
        try:
            fields[field] = read(item[name])
        except (TypeError, ValueError, OverflowError):
            raise _MalformedError(name) from None
    if "body" in item:
        fields |= _body(item["body"])
    return fields


def _body(value: Any) -> dict[str, str | None]:
    """Return the fields `body_html` and `body_text` of `Message`. One of them is None: Exchange
    names the type of the body, HTML or text."""
    try:
        content = _of(str, _of(dict, value, {}).get("content"), None)
        is_text = _of(str, _of(dict, value, {}).get("contentType"), "").lower() == "text"
    except TypeError:
        raise _MalformedError("body") from None
    return {"body_html": None if is_text else content, "body_text": content if is_text else None}


def _of(kind: type, value: Any, default: Any) -> Any:
    """Return the value if it has this type, `default` for null. Raises TypeError."""
    if value is None:
        return default
    if not isinstance(value, kind):
        raise TypeError
    return value


def _text(value: Any) -> str:
    return str(_of(str, value, ""))


def _text_or_none(value: Any) -> str | None:
    return _text(value) or None


def _truth(value: Any) -> bool:
    return bool(_of(bool, value, False))


def _importance(value: Any) -> str:
    return _text(value) or "normal"


def _flagged(value: Any) -> bool:
    return _text(_of(dict, value, {}).get("flagStatus")) == "flagged"


def _moment(value: Any) -> datetime | None:
    if value is None:
        return None
    moment = datetime.fromisoformat(value)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _moment_or_none(value: Any) -> datetime | None:
    try:
        return _moment(value)
    except (TypeError, ValueError, OverflowError):
        return None


def _address(value: Any) -> Address | None:
    box = _of(dict, _of(dict, value, {}).get("emailAddress"), {})
    address = Address(_text(box.get("name")), _text(box.get("address")))
    return address if address.name or address.address else None


def _addresses(value: Any) -> tuple[Address, ...]:
    found = (_address(each) for each in _of(list, value, []))
    return tuple(each for each in found if each is not None)


def _words(value: Any) -> tuple[str, ...]:
    return tuple(_text(each) for each in _of(list, value, []))


_PROPERTIES: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "internetMessageId": ("internet_message_id", _text_or_none),
    "conversationId": ("conversation_id", _text_or_none),
    "subject": ("subject", _text),
    "from": ("sender", _address),
    "toRecipients": ("to", _addresses),
    "ccRecipients": ("cc", _addresses),
    "bccRecipients": ("bcc", _addresses),
    "replyTo": ("reply_to", _addresses),
    "bodyPreview": ("preview", _text),
    "isRead": ("is_read", _truth),
    "isDraft": ("is_draft", _truth),
    "flag": ("is_flagged", _flagged),
    "hasAttachments": ("has_attachments", _truth),
    "importance": ("importance", _importance),
    "categories": ("categories", _words),
    "receivedDateTime": ("received_at", _moment),
    "sentDateTime": ("sent_at", _moment),
    "lastModifiedDateTime": ("modified_at", _moment),
    "webLink": ("web_link", _text_or_none),
}

MESSAGE_PROPERTIES = ",".join(("id", "parentFolderId", "body", *_PROPERTIES))
"""The value of `$select` in requests for complete messages. A change feed reports only changes of
selected properties: without `isRead` it would never report a message as read (alcionai/corso
#1866)."""

MESSAGE_PROPERTIES_WITHOUT_BODY = ",".join(
    ("id", "parentFolderId", *(name for name in _PROPERTIES if name != "bodyPreview"))
)
"""The value of `$select` in requests to a change feed without bodies and body previews."""

LISTED_MESSAGE_PROPERTIES = "id,parentFolderId,isRead,lastModifiedDateTime"
"""The value of `$select` in requests for a list of message ids and states. Graph adds the etag to
each entry in any case."""

_WHOLE = frozenset(("@odata.etag", "parentFolderId", "body", *_PROPERTIES))
_STATE = frozenset(("@odata.etag", "isRead", "lastModifiedDateTime"))
"""The properties that make an entry comparable with a row; a row without a version is compared by
time."""
