"""What a request asks for: query options and `Prefer`, checked as strictly as the service does.

Source: Microsoft Graph docs, query-parameters, delta-query-messages, message-get.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal
from urllib.parse import parse_qsl

from localdev.simulators.graph.errors import bad_request

MESSAGE_PROPERTIES = frozenset(
    (
        "id",
        "categories",
        "changeKey",
        "createdDateTime",
        "lastModifiedDateTime",
        "receivedDateTime",
        "sentDateTime",
        "subject",
        "bodyPreview",
        "conversationId",
        "internetMessageId",
        "parentFolderId",
        "webLink",
        "conversationIndex",
        "body",
        "uniqueBody",
        "from",
        "sender",
        "toRecipients",
        "ccRecipients",
        "bccRecipients",
        "replyTo",
        "isRead",
        "isDraft",
        "hasAttachments",
        "isDeliveryReceiptRequested",
        "isReadReceiptRequested",
        "importance",
        "inferenceClassification",
        "flag",
        "internetMessageHeaders",
    )
)
FOLDER_PROPERTIES = frozenset(
    (
        "id",
        "displayName",
        "parentFolderId",
        "childFolderCount",
        "unreadItemCount",
        "totalItemCount",
        "sizeInBytes",
        "isHidden",
    )
)
DEFAULT_PAGE = 10
MAX_LIST_PAGE = 1000
_RECEIVED = re.compile(r"receivedDateTime (ge|gt) (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?Z")
_DISPLAY_NAME = re.compile(r"displayName eq '((?:[^']|'')*)'")


@dataclass(frozen=True, slots=True)
class Query:
    """Options by lower-case name without the `$`, which Graph lets one leave out."""

    options: dict[str, str]

    @classmethod
    def parse(cls, text: str) -> "Query":
        pairs = parse_qsl(text, keep_blank_values=True)
        return cls({name.lstrip("$").lower(): value for name, value in pairs})

    def get(self, name: str) -> str | None:
        return self.options.get(name)

    def is_true(self, name: str) -> bool:
        return self.options.get(name, "").lower() == "true"

    def number(self, name: str, *, default: int, least: int = 0, most: int | None = None) -> int:
        text = self.options.get(name)
        if text is None:
            return default
        if not text.isdecimal() or not least <= int(text) <= (most or int(text)):
            raise bad_request(f"Invalid value '{text}' for ${name} query option found.")
        return int(text)

    def select(self, kind: Literal["message", "mailFolder"]) -> frozenset[str] | None:
        """None when everything is wanted. An unknown property is an error, not ignored."""
        text = self.options.get("select")
        if text is None:
            return None
        names = [name.strip() for name in text.split(",") if name.strip()]
        known = MESSAGE_PROPERTIES if kind == "message" else FOLDER_PROPERTIES
        for name in names:
            if name not in known:
                raise bad_request(
                    "Parsing OData Select and Expand failed: Could not find a property named"
                    f" '{name}' on type 'microsoft.graph.{kind}'."
                )
        return frozenset(names) | {"id"}

    def received_since(self) -> tuple[str, str] | None:
        """Operator and time of `$filter`, of which only this one form is supported."""
        text = self.options.get("filter")
        if text is None:
            return None
        match = _RECEIVED.fullmatch(text.strip())
        if not match:
            raise bad_request(
                f"The query filter '{text}' is not supported for the resource 'message'; only"
                " 'receivedDateTime ge value' is supported.",
                "ErrorInvalidUrlQuery",
            )
        return (">=" if match[1] == "ge" else ">", match[2] + "Z")

    def display_name(self) -> str | None:
        text = self.options.get("filter")
        if text is None:
            return None
        match = _DISPLAY_NAME.fullmatch(text.strip())
        if not match:
            raise bad_request(f"Invalid filter clause: {text}", "ErrorInvalidUrlQuery")
        return match[1].replace("''", "'")

    def newest_first(self, *, ascending_allowed: bool) -> bool:
        text = (self.options.get("orderby") or "receivedDateTime desc").strip()
        allowed = {"receivedDateTime desc": True}
        if ascending_allowed:
            allowed |= {"receivedDateTime": False, "receivedDateTime asc": False}
        if text not in allowed:
            raise bad_request(
                f"The query orderby '{text}' is not supported.", "ErrorInvalidUrlQuery"
            )
        return allowed[text]

    def change_type(self) -> str | None:
        wanted = self.options.get("changetype")
        if wanted not in (None, "created", "updated", "deleted"):
            raise bad_request(f"Invalid value '{wanted}' for changeType.", "ErrorInvalidUrlQuery")
        return wanted


@dataclass(frozen=True, slots=True)
class Preferences:
    """`Prefer` of one request; nothing of it is remembered in links."""

    immutable_ids: bool = False
    page_size: int | None = None
    body_type: str | None = None

    @classmethod
    def parse(cls, headers: Iterable[str]) -> "Preferences":
        wishes = {}
        for wish in ",".join(headers).split(","):
            name, _, value = wish.partition("=")
            wishes[name.strip().lower()] = value.strip().strip('"').lower()
        size = wishes.get("odata.maxpagesize", "")
        body_type = wishes.get("outlook.body-content-type")
        return cls(
            immutable_ids=wishes.get("idtype") == "immutableid",
            page_size=int(size) if size.isdecimal() and int(size) else None,
            body_type=body_type if body_type in ("text", "html") else None,
        )

    def applied(self) -> dict[str, str]:
        """The header `Preference-Applied`; page sizes are obeyed without a word."""
        honoured = []
        if self.immutable_ids:
            honoured.append("IdType=ImmutableId")
        if self.body_type:
            honoured.append(f'outlook.body-content-type="{self.body_type}"')
        return {"Preference-Applied": ", ".join(honoured)} if honoured else {}
