"""Parse query options and the header `Prefer`, and check them as strictly as the service does.

Source: Microsoft Graph docs, query-parameters, delta-query-messages, message-get.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal
from urllib.parse import parse_qsl

from localdev.simulators.graph.errors import GraphError, bad_request_error

MESSAGE_PROPERTIES = frozenset(
    (
        *("id", "categories", "changeKey", "createdDateTime", "lastModifiedDateTime"),
        *("receivedDateTime", "sentDateTime", "subject", "bodyPreview", "conversationId"),
        *("internetMessageId", "parentFolderId", "webLink", "conversationIndex", "body", "from"),
        *("sender", "toRecipients", "ccRecipients", "bccRecipients", "replyTo", "isRead"),
        *("isDraft", "hasAttachments", "isDeliveryReceiptRequested", "isReadReceiptRequested"),
        *("importance", "inferenceClassification", "flag"),
    )
)
FOLDER_PROPERTIES = frozenset(
    (
        *("id", "displayName", "parentFolderId", "childFolderCount", "unreadItemCount"),
        *("totalItemCount", "sizeInBytes", "isHidden"),
    )
)
_TIME = r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)"
_SPAN = re.compile(rf"receivedDateTime ge {_TIME} and receivedDateTime lt {_TIME}")
DEFAULT_PAGE_SIZE = 10
MAX_LIST_PAGE_SIZE = 1000


@dataclass(frozen=True, slots=True)
class ODataQuery:
    """The query options of a request.

    option_value_by_name: values by lower-case name without `$`. Graph accepts names with and
        without the `$`.
    """

    option_value_by_name: dict[str, str]

    @classmethod
    def parse(cls, text: str) -> "ODataQuery":
        pairs = parse_qsl(text, keep_blank_values=True)
        return cls({name.lstrip("$").lower(): value for name, value in pairs})

    def get_option(self, name: str) -> str | None:
        return self.option_value_by_name.get(name)

    def is_option_true(self, name: str) -> bool:
        return self.option_value_by_name.get(name, "").lower() == "true"

    def get_integer_option(
        self, name: str, *, default: int, least: int = 0, most: int | None = None
    ) -> int:
        text = self.option_value_by_name.get(name)
        if text is None:
            return default
        if not text.isdecimal() or not least <= int(text) <= (most or int(text)):
            raise bad_request_error(f"Invalid value '{text}' for ${name} query option found.")
        return int(text)

    def selected_properties(self, kind: Literal["message", "mailFolder"]) -> frozenset[str] | None:
        """Return the names of the properties that `$select` names, and `id`. Return None if the
        request has no `$select`. Raises GraphError 400 for a property that `kind` does not have."""
        text = self.option_value_by_name.get("select")
        if text is None:
            return None
        names = [name.strip() for name in text.split(",") if name.strip()]
        known = MESSAGE_PROPERTIES if kind == "message" else FOLDER_PROPERTIES
        for name in names:
            if name not in known:
                raise bad_request_error(
                    "Parsing OData Select and Expand failed: Could not find a property named"
                    f" '{name}' on type 'microsoft.graph.{kind}'."
                )
        return frozenset(names) | {"id"}

    def reject_filters_and_other_orders(self) -> None:
        """Raise GraphError 400 if the request has a filter, or any order but newest first."""
        self._require("orderby", "receivedDateTime desc")
        self._require("filter", None)

    def parse_received_time_filter(self) -> tuple[str, str] | None:
        """Return the two times of a filter `receivedDateTime ge TIME and receivedDateTime lt TIME`,
        in UTC with whole seconds. Return None if the request has no filter.

        Raises:
            GraphError: 400 for any other filter, and for any order but
                `receivedDateTime desc`.
        """
        text = self.option_value_by_name.get("filter")
        if text is None:
            self.reject_filters_and_other_orders()
            return None
        if not (found := _SPAN.fullmatch(text)):
            raise self._unsupported("filter", text)
        self._require("orderby", "receivedDateTime desc")
        return found[1], found[2]

    def _require(self, name: str, supported: str | None) -> None:
        text = self.option_value_by_name.get(name, supported)
        if text != supported:
            raise self._unsupported(name, text)

    @staticmethod
    def _unsupported(name: str, text: str | None) -> GraphError:
        message = f"The query {name} '{text}' is not supported for the resource 'message'."
        return bad_request_error(message, "ErrorInvalidUrlQuery")


@dataclass(frozen=True, slots=True)
class PreferHeader:
    """The preferences in a request's `Prefer` header. Delta links do not store preferences, so each
    request must send them.

    page_size: value of `odata.maxpagesize`. None: the header does not name a page size.
    """

    prefers_immutable_ids: bool = False
    page_size: int | None = None

    @classmethod
    def parse(cls, headers: Iterable[str]) -> "PreferHeader":
        wishes = {}
        for wish in ",".join(headers).split(","):
            name, _, value = wish.partition("=")
            wishes[name.strip().lower()] = value.strip().strip('"').lower()
        size = wishes.get("odata.maxpagesize", "")
        return cls(
            prefers_immutable_ids=wishes.get("idtype") == "immutableid",
            page_size=int(size) if size.isdecimal() and int(size) else None,
        )

    def preference_applied_header(self) -> dict[str, str]:
        """Return the response header `Preference-Applied`, or an empty dictionary if no preference
        was applied. As in Graph, the header never names the page size."""
        return {"Preference-Applied": "IdType=ImmutableId"} if self.prefers_immutable_ids else {}
