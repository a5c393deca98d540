"""Convert messages and folders to the JSON parameters of the SQL statements in `queries/`."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from json.encoder import encode_basestring
from typing import Any

import orjson

from mailsync.decisions.verify import MessageContradictingListing
from mailsync.model import Address, Message, MessageStateUpsert, RemoteFolder
from mailsync.storable import to_storable_text
from mailsync.store.parameters import JsonBytes

# Measured: larger statements cost memory on both sides, smaller ones round trips.
MAX_STATEMENT_BYTES = 2_000_000
_MIN_LARGE_CHARS = 2**20
"""The length from which on a body that is not ASCII is encoded without orjson. orjson would leave
the UTF-8 form of the text in memory beside the text."""
JsonRow = dict[str, Any]


def message_to_row(message: Message) -> JsonRow:
    """Convert one message to JSON values by column name, with its hashes and bodies.

    `row_hash` covers the message without folder, version and bodies. The bodies have a separate
    hash, so that a move or a changed flag does not send the bodies to the database again.
    """
    row: JsonRow = {
        "internet_message_id": message.internet_message_id,
        "conversation_id": message.conversation_id,
        "subject": message.subject,
        "from_name": message.sender.name if message.sender else None,
        "from_address": message.sender.address if message.sender else None,
        "to_recipients": _addresses(message.to),
        "cc_recipients": _addresses(message.cc),
        "bcc_recipients": _addresses(message.bcc),
        "reply_to": _addresses(message.reply_to),
        "snippet": message.preview,
        "is_read": message.is_read,
        "is_draft": message.is_draft,
        "is_flagged": message.is_flagged,
        "has_attachments": message.has_attachments,
        "importance": message.importance,
        "categories": list(message.categories),
        "received_at": message.received_at,
        "sent_at": message.sent_at,
        "modified_at": message.modified_at,
        "web_link": message.web_link,
        "kind": message.message_kind,
    }
    row = {name: _storable(value) for name, value in row.items()}
    html, text = _body_json(message.body_html), _body_json(message.body_text)
    return {
        "message_id": message.remote_id,
        "folder_remote_ids": list(message.folder_remote_ids),
        "row_hash": _digest(row),
        "version": _storable(message.remote_version),
        "body_hash": _hex(b'{"html":', html, b',"text":', text, b"}"),
        **row,
        "html": orjson.Fragment(html),
        "text": orjson.Fragment(text),
    }


def copy_message_row_without_bodies(row: JsonRow) -> JsonRow:
    """Return the row without its bodies, for an update that keeps the stored bodies."""
    return {**row, "body_hash": None, "html": None, "text": None}


def chunk_rows_by_size(rows: Sequence[JsonRow]) -> Iterator[JsonBytes]:
    """Split rows into JSON arrays of at most about 2 MB. Each array is the parameter of one SQL
    statement. A row that is larger gets an array of its own. A row is encoded when its array is
    next, so few bytes are in memory a second time."""
    chunk: list[bytes] = []
    size = 0
    for row in rows:
        encoded = orjson.dumps([row])
        if chunk and size + len(encoded) > MAX_STATEMENT_BYTES:
            yield _join_arrays(chunk)
            chunk, size = [], 0
        chunk.append(encoded)
        size += len(encoded)
    if chunk:
        yield _join_arrays(chunk)


def _join_arrays(arrays: Sequence[bytes]) -> JsonBytes:
    """Return one JSON array with the elements of all arrays. If there is only one array, return
    this array and copy nothing."""
    if len(arrays) == 1:
        return JsonBytes(arrays[0])
    return JsonBytes(b"[" + b",".join(each[1:-1] for each in arrays) + b"]")


def message_ids_and_hashes_json(rows: Iterable[JsonRow]) -> JsonBytes:
    """Return the ids, folders and hashes of the rows as JSON. An SQL statement uses this JSON to
    find the rows that differ from the stored rows."""
    wanted = ("message_id", "folder_remote_ids", "row_hash", "version", "body_hash")
    return to_jsonb([{name: row[name] for name in wanted} for row in rows])


def message_and_folder_ids_json(rows: Iterable[JsonRow]) -> JsonBytes:
    """Return the message ids and folder ids of the rows as JSON."""
    wanted = ("message_id", "folder_remote_ids")
    return to_jsonb([{name: row[name] for name in wanted} for row in rows])


def message_and_folder_ids_of_changes_json(changes: Iterable[MessageStateUpsert]) -> JsonBytes:
    """Return the message ids and folder ids of the changes as JSON."""
    return to_jsonb(
        [
            {"message_id": each.remote_id, "folder_remote_ids": list(each.folder_remote_ids)}
            for each in changes
        ]
    )


def state_changes_json(changes: Iterable[MessageStateUpsert]) -> JsonBytes:
    """Return the message ids and states of the changes as JSON."""
    return to_jsonb(
        [
            {
                "message_id": each.remote_id,
                "is_read": each.state.is_read,
                "is_flagged": each.state.is_flagged,
                "is_draft": each.state.is_draft,
                "categories": _storable(list(each.state.categories)),
                "version": _storable(each.state.remote_version),
                "importance": each.state.importance,
            }
            for each in changes
        ]
    )


def build_quarantine_row(
    remote_id: str, folder_remote_ids: Sequence[str], cause: str, detail: str
) -> JsonRow:
    return {
        "message_id": remote_id,
        "folder_remote_ids": list(folder_remote_ids),
        "cause": cause,
        "detail": _storable(detail),
    }


def listing_contradictions_json(differences: Iterable[MessageContradictingListing]) -> JsonBytes:
    return to_jsonb([{"message_id": each.remote_id, "cause": each.kind} for each in differences])


def folders_json(folders: Iterable[RemoteFolder]) -> JsonBytes:
    return to_jsonb(
        [
            {
                "remote_id": each.remote_id,
                "parent_remote_id": each.parent_remote_id,
                "display_name": _storable(each.display_name),
                "role": each.role,
                "hidden": each.is_hidden_at_provider,
                "total": each.message_count,
                "unread": each.unread_message_count,
            }
            for each in folders
        ]
    )


def to_jsonb(value: Any) -> JsonBytes:
    return JsonBytes(orjson.dumps(value))


def _addresses(addresses: Iterable[Address]) -> list[dict[str, Any]]:
    return [
        {"name": _storable(each.name), "address": _storable(each.address)} for each in addresses
    ]


def _storable(value: Any) -> Any:
    """Return a text, or the texts of a list, without what Postgres cannot store
    (`to_storable_text`). Return other values unchanged."""
    if isinstance(value, list):
        return [_storable(each) for each in value]
    return to_storable_text(value) if isinstance(value, str) else value


def _body_json(text: str | None) -> bytes:
    """Return a body as JSON that Postgres can store. If a text without NUL cannot be stored, its
    encoding to JSON fails, so most texts need no other test."""
    if text is not None and "\0" not in text:
        if len(text) >= _MIN_LARGE_CHARS and not text.isascii():
            return encode_basestring(to_storable_text(text)).encode()
        with suppress(orjson.JSONEncodeError):  # half a surrogate pair
            return orjson.dumps(text)
    return orjson.dumps(_storable(text))


def _digest(values: JsonRow) -> str:
    return _hex(orjson.dumps(values, option=orjson.OPT_SORT_KEYS))


def _hex(*parts: bytes) -> str:
    """Return the first half of the SHA-256 of all parts, in hex."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()[:32]
