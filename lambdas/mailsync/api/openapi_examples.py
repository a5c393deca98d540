"""Make an example of each schema of the OpenAPI document."""

from typing import Any

from mailsync.registry import DEFAULT_PROVIDER_OF_STORED_VALUES

_ACCOUNT_ID = "0197a2c4-6f0e-7c3a-9d55-3b1f0c8e4a21"
_RUN_ID = "3f0c9a5e-8f5d-4a53-9c7b-2f6f4d1f7b0a"
_EXECUTION_ARN = "arn:aws:states:eu-central-1:123456789012:execution"
_TIME = "2026-01-31T09:30:00Z"
_OF_SCHEMAS: dict[str, Any] = {
    "AccountPatch": {"paused": False, "folders": [{"id": 7, "selected": False}]},
    "AccountStatus": "active",
    "FolderRole": "inbox",
    "MailboxStatus": "syncing",
    "RunStatus": "running",
    "SyncRequest": {"accountId": _ACCOUNT_ID, "syncType": "manual"},
    "SyncStatus": "syncing",
    "SyncType": "manual",
}
_OF_FIELDS: dict[str, Any] = {
    "AccountRemoved.message": "The account is disconnected; its mail stays readable.",
    "ConsentGiven.message": "The organisation's mailboxes can be connected now.",
    "Failure.message": "The provider does not respond. Stored mail is not affected.",
    "Failure.name": "ProviderUnavailable",
    "FirstSyncEstimate.durationSeconds": 2240,
    "FirstSyncEstimate.messages": 10000,
    "FirstSyncEstimate.requests": 200600,
    "FirstSyncEstimate.usd": 0.0259,
    "GatewayMessage.message": "Unauthorized",
    "PasswordMailbox.host": "imap.example.org",
    "PasswordMailbox.port": 993,
    "PendingRemoval.deletedFrom": "2026-02-01T09:30:00Z",
    "PendingRemoval.folders": 3,
    "PendingRemoval.goneSince": _TIME,
    "PendingRemoval.hidden": 5210,
    "Problem.status": 404,
    "RemovalConfirmed.message": "The next sync requests the messages again.",
    "SelfTestStarted.executionArn": f"{_EXECUTION_ARN}:test-sync:{_RUN_ID}",
    "SelfTestStarted.message": "Test sync started!",
    "SyncAccepted.message": "Sync started.",
    "SyncAccepted.status": "queued",
    "SyncStopped.message": "The sync was stopped; stored mail stays.",
    "accountId": _ACCOUNT_ID,
    "attempts": 1,
    "authorizationUrl": "https://login.example.com/authorize?state=n4Xc0e",
    "connection": "Zk3tWf0mJq1vTn8b",
    "countOffset": 1,
    "detail": "You have no account with this id; correct the id or connect the mailbox.",
    "displayName": "Inbox",
    "emailAddress": "ann@example.org",
    "etaSeconds": 653,
    "eventId": _RUN_ID,
    "executionArn": f"{_EXECUTION_ARN}:mailbox-sync:{_RUN_ID}",
    "folderId": 7,
    "gone": 5204,
    "id": 7,
    "inserted": 2000,
    "messageId": "AAkALgAA",
    "needsConfirmation": True,
    "pages": 20,
    "password": "correct horse battery staple",
    "provider": DEFAULT_PROVIDER_OF_STORED_VALUES,
    "quotaLeft": 1840,
    "quotaPausedUntil": _TIME,
    "rate": 27.6,
    "remoteTotal": 20001,
    "requestId": "JKJaXmPLvHcESHA=",
    "requests": 21,
    "runId": _RUN_ID,
    "selected": True,
    "startedAt": _TIME,
    "statusUrl": f"https://api.example.com/api/email/sync?accountId={_ACCOUNT_ID}",
    "syncProgress": 2000,
    "syncTotal": 20000,
    "tenantId": "8d1f1f4c-3c5a-4b0b-8f0e-5f2b8a7c9d10",
    "title": "Account not found",
    "total": 2000,
    "trigger": "api",
    "type": "urn:mailsync:problem:account-not-found",
    "unread": 12,
    "userId": "ann",
    "userName": "ann@example.org",
    "walking": True,
}
"""Examples of fields. A key `field` applies to all schemas, a key `Schema.field` to one schema. A
field without an entry gets null if the field can be null, else the example of its type."""
_OF_TYPES: dict[str, Any] = {"array": [], "boolean": False, "integer": 0, "number": 0.0}


def add_examples_to_schemas(schemas: dict[str, Any]) -> None:
    """Add an example to each object schema that lacks one, in place."""
    for name, schema in schemas.items():
        if schema.get("type") == "object":
            schema.setdefault("examples", [_example(name, schemas)])


def _example(name: str, schemas: dict[str, Any]) -> Any:
    schema = schemas[name]
    if name in _OF_SCHEMAS or "enum" in schema:
        return _OF_SCHEMAS.get(name) or schema["enum"][0]
    fields = schema["properties"].items()
    return {field: _field_example(f"{name}.{field}", of, schemas) for field, of in fields}


def _field_example(path: str, schema: dict[str, Any], schemas: dict[str, Any]) -> Any:
    """Return the example of a field.

    path: the names of the schema and of the field, as `Schema.field`.

    Raises:
        KeyError: the field is a text, and `_OF_FIELDS` has no example for it.
    """
    for name in (path, path.partition(".")[2]):
        if name in _OF_FIELDS:
            return _OF_FIELDS[name]
    match schema:
        case {"$ref": reference}:
            example = _example(reference.rpartition("/")[2], schemas)
        case {"const": value} | {"enum": [value, *_]}:
            example = value
        case {"anyOf": _}:
            example = None
        case {"format": "date-time"}:
            example = _TIME
        case {"items": {"$ref": _} as item}:
            example = [_field_example(path, item, schemas)]
        case _:
            example = _OF_TYPES[schema["type"]]
    return example
