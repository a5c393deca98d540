"""Complete the schemas of the OpenAPI document. Add the schemas of bodies that have no pydantic
model, name the values of enumerations, and change what client generators cannot read."""

import json
import re
from typing import Any

from mailsync.api.documented_values import ENUM_SCHEMA_BY_NAME
from mailsync.api.openapi_examples import add_examples_to_schemas

_TEXT = {"type": "string"}
_ID = {**_TEXT, "format": "uuid"}
_COUNT = {"type": "integer", "minimum": 0}
_SUCCESS = {"type": "boolean", "const": True}


def make_schema_reference(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(description: str, **fields: Any) -> dict[str, Any]:
    """Return the schema of an object with these required fields."""
    described = {"type": "object", "description": description}
    return {**described, "required": [*fields], "properties": fields}


_MAILBOX_REQUEST = _object(
    "A mailbox of an organisation that gave its consent.", tenantId=_ID, emailAddress=_TEXT
)
_MAILBOX_REQUEST["properties"]["userId"] = {
    **_TEXT,
    "description": "The user who will own the account. Default: the caller.",
}
_PASSWORD_MAILBOX = _object(
    "The user name and the password of a mailbox.",
    userName={**_TEXT, "maxLength": 255},
    password={**_TEXT, "maxLength": 1024, "writeOnly": True, "format": "password"},
)
_PASSWORD_MAILBOX["properties"] |= {
    "host": {
        **_TEXT,
        "maxLength": 255,
        "description": "The mail server. Default: the server of the provider.",
    },
    "port": {
        "type": "integer",
        "minimum": 1,
        "maximum": 65535,
        "description": "The server's port with TLS, or 143 with STARTTLS. Default: 993.",
    },
}
_WITHOUT_MODEL: dict[str, Any] = {
    "Problem": _object(
        "An error of Mailsync (RFC 9457).",
        type={**_TEXT, "pattern": "^urn:mailsync:problem:[a-z-]+$"},
        title=_TEXT,
        status={"type": "integer"},
        detail={**_TEXT, "description": "What happened and what to do, for people."},
        requestId=_TEXT,
    ),
    "GatewayMessage": _object("An error of API Gateway.", message=_TEXT),
    "ProblemOrGatewayMessage": {
        "description": "An error of Mailsync, or of API Gateway in front of it.",
        "anyOf": [make_schema_reference("Problem"), make_schema_reference("GatewayMessage")],
    },
    "AccountRemoved": _object(
        "What was removed, or will be.",
        success=_SUCCESS,
        accountId=_ID,
        status={**_TEXT, "enum": ["disconnected", "purged", "purging"]},
        message=_TEXT,
    ),
    "FirstSyncEstimate": _object(
        "What a first sync of the mailbox takes, about.",
        accountId=_ID,
        messages={**_COUNT, "description": "Messages that the provider counts now."},
        durationSeconds={**_COUNT, "description": "Seconds until all messages are stored."},
        requests={**_COUNT, "description": "Requests to the provider, in the units of its quota."},
        usd={
            "type": "number",
            "minimum": 0,
            "description": "List price on AWS in US dollars, without the database.",
        },
    ),
    "SignInStarted": _object("Where the browser signs in.", authorizationUrl=_TEXT),
    "ConsentGiven": _object(
        "An administrator gave consent for an organisation.", success=_SUCCESS, message=_TEXT
    ),
    "ConnectionConfirmation": _object(
        "Which connection the user confirms.",
        connection={
            **_TEXT,
            "description": "The query parameter `connection` of the redirect to the inbox.",
        },
    ),
    "OrganisationMailbox": _MAILBOX_REQUEST,
    "PasswordMailbox": _PASSWORD_MAILBOX,
    "MailboxConnected": _object(
        "The account of a connected mailbox, and the run of its first sync.",
        success=_SUCCESS,
        accountId=_ID,
        emailAddress=_TEXT,
        runId=_TEXT,
        statusUrl=_TEXT,
    ),
    "ChangeNotifications": _object(
        "Notifications of a provider.", value={"type": "array", "items": {}}
    ),
}


def add_missing_and_remove_unused_schemas(document: dict[str, Any]) -> None:
    """Complete the schemas of the document in place. Remove the schemas that no operation uses."""
    document["paths"] = _tidy(document["paths"])
    schemas = _tidy(document["components"]["schemas"] | _WITHOUT_MODEL) | ENUM_SCHEMA_BY_NAME
    used = _used_names(document["paths"], schemas)
    document["components"]["schemas"] = {name: schemas[name] for name in sorted(used)}
    add_examples_to_schemas(document["components"]["schemas"])


def _tidy(node: Any) -> Any:
    """Return a cleaned copy of a part of the document: without generated titles, without line
    breaks in descriptions, and with 1 for 1.0. A title that names a schema of `ENUM_SCHEMA_BY_NAME`
    becomes a reference to this schema."""
    if isinstance(node, list):
        return [_tidy(each) for each in node]
    if isinstance(node, float) and node.is_integer():
        return int(node)
    if not isinstance(node, dict):
        return node
    examples = ("example", "examples")
    tidied = {key: part if key in examples else _tidy(part) for key, part in node.items()}
    if isinstance(text := tidied.get("description"), str):
        tidied["description"] = re.sub(r"(?<!\n)\n(?!\n)", " ", text)
    if isinstance(tidied.get("title"), str):
        name = tidied.pop("title")
        if name in ENUM_SCHEMA_BY_NAME:
            del tidied["type"]
            return make_schema_reference(name) | tidied
    return tidied


def _used_names(part: Any, schemas: dict[str, Any]) -> set[str]:
    """Return the names of the schemas to which a part of the document refers, also indirectly."""
    used: set[str] = set()
    found = _names_in(part)
    while found:
        used |= found
        found = _names_in([schemas[name] for name in found]) - used
    return used


def _names_in(part: Any) -> set[str]:
    return set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(part)))
