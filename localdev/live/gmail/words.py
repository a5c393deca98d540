"""Describe requests to the Gmail API in fixed words, and list the words that a record may contain.

Sources of the words: Gmail API documentation, reference of `users` and "Resolve errors"; Google
    Identity documentation, "OAuth 2.0 for Mobile & Desktop Apps"; Google Cloud documentation,
    "Errors" (API design guide).
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote

from localdev.live.record import ExchangeToRecord, RecordableNamesAndWords, parse_allowed_word_lines
from localdev.live.relay import ReceivedResponse, RelayedRequest

MAILBOX_PATH_PREFIX = "/gmail/v1/users/me/"
_RESOURCES = frozenset(("attachments", "history", "labels", "messages", "profile", "threads"))
_SYSTEM_LABELS = frozenset(
    (
        *("CHAT", "DRAFT", "IMPORTANT", "INBOX", "SENT", "SPAM", "STARRED", "TRASH", "UNREAD"),
        *("CATEGORY_FORUMS", "CATEGORY_PERSONAL", "CATEGORY_PROMOTIONS", "CATEGORY_SOCIAL"),
        "CATEGORY_UPDATES",
    )
)
_OPTIONS = frozenset(("includeSpamTrash", "labelIds", "maxResults", "startHistoryId"))
_FORMATS = frozenset(("full", "metadata", "minimal", "raw"))
_LISTS = ("history", "messages", "threads")
_TOKEN = "nextPageToken"
RECORDABLE_NAMES_AND_WORDS = RecordableNamesAndWords(
    field_name_pattern=re.compile(r"[A-Za-z][A-Za-z_]{0,39}|@type"),
    fields_with_user_defined_keys=frozenset(("metadata",)),
    allowed_words_by_field=dict(
        parse_allowed_word_lines(
            "reason: ACCESS_TOKEN_SCOPE_INSUFFICIENT API_KEY_INVALID RATE_LIMIT_EXCEEDED"
            " SERVICE_DISABLED accessNotConfigured authError backendError badRequest"
            " dailyLimitExceeded domainPolicy failedPrecondition forbidden internalError invalid"
            " invalidArgument insufficientPermissions notFound quotaExceeded rateLimitExceeded"
            " required userRateLimitExceeded",
            "status: ABORTED FAILED_PRECONDITION INTERNAL INVALID_ARGUMENT NOT_FOUND"
            " PERMISSION_DENIED RESOURCE_EXHAUSTED UNAUTHENTICATED UNAVAILABLE",
            "domain: global googleapis.com usageLimits",
            "locationType: header parameter other",
            "location: Authorization q pageToken",
            "@type: type.googleapis.com/google.rpc.BadRequest"
            " type.googleapis.com/google.rpc.ErrorInfo type.googleapis.com/google.rpc.Help"
            " type.googleapis.com/google.rpc.LocalizedMessage"
            " type.googleapis.com/google.rpc.QuotaFailure"
            " type.googleapis.com/google.rpc.RetryInfo",
            "type: system user",
            "messageListVisibility: hide show",
            "labelListVisibility: labelHide labelShow labelShowIfUnread",
            "error: access_denied admin_policy_enforced deleted_client disabled_client"
            " invalid_client invalid_grant invalid_request invalid_scope org_internal"
            " rate_limit_exceeded redirect_uri_mismatch server_error unauthorized_client"
            " unsupported_grant_type",
            "error_subtype: invalid_rapt rapt_required",
            "token_type: Bearer",
            "content-type: application/json charset=utf-8 text/html",
            "content-encoding: gzip deflate br",
            "vary: accept-encoding origin referer x-origin",
        )
    ),
    names_of_fields_with_recorded_size=frozenset(
        (
            *("attachmentId", "id", "nextPageToken", "threadId"),
            *("expires_in", "refresh_token_expires_in", "retry-after"),
        )
    ),
)


def build_exchange_to_record(
    request: RelayedRequest, received: ReceivedResponse
) -> ExchangeToRecord:
    """Return the exchange to record for a request and its response.

    The exchange has an item count only if another page follows, because the size of the last page
    depends on the mailbox. The token of the next page is moved into a list `following`, which is
    empty on the last page. So a mailbox with a single page causes no difference.
    """
    document = received.json_body
    items: Any = None
    if isinstance(document, dict) and received.status == 200 and _is_list(request.path_and_query):
        token = {name: value for name, value in document.items() if name == _TOKEN}
        if token:
            items = next((document[each] for each in _LISTS if each in document), [])
        rest = {name: value for name, value in document.items() if name != _TOKEN}
        document = {**rest, "following": [token] if token else []}
    return ExchangeToRecord(
        request_kind=f"GET {redact_request_target(request.path_and_query)}",
        http_status=received.status,
        headers=received.headers,
        parsed_response_body=_without_mail(document),
        duration_s=received.duration_s,
        requested_page_size=_asked_items(request.path_and_query),
        item_count_of_non_last_page=len(items) if isinstance(items, list) else None,
    )


def redact_request_target(target: str) -> str:
    """Return the path and query of a request in fixed words, with `{id}` in place of ids and
    `{system label}` in place of ids of Gmail's own labels."""
    path, _, query = target.partition("?")
    segments = path.removeprefix(MAILBOX_PATH_PREFIX).split("/")
    words = "/".join(_describe_segment(unquote(each)) for each in segments)
    options = parse_qsl(query, keep_blank_values=True)
    if any(name == "pageToken" for name, _ in options):
        return f"{words} (next page)"
    named = dict.fromkeys(_describe_option(name, value) for name, value in options)
    return f"{words}?{'&'.join(named)}" if named else words


def _describe_segment(segment: str) -> str:
    if segment in _RESOURCES or not segment:
        return segment
    return "{system label}" if segment in _SYSTEM_LABELS else "{id}"


def _describe_option(name: str, value: str) -> str:
    if name == "format" and value in _FORMATS:
        return f"format={value}"
    return name if name in _OPTIONS else "{option}"


def _is_list(target: str) -> bool:
    return target.partition("?")[0].removeprefix(MAILBOX_PATH_PREFIX) in _LISTS


def _asked_items(target: str) -> int | None:
    found = re.search(r"[?&]maxResults=(\d{1,6})(?:&|$)", target)
    return int(found[1]) if found else None


def _without_mail(document: Any) -> Any:
    """Return the document in a form that does not depend on the mail. All parts of a message are in
    one list without nesting. One word replaces every id of Gmail's own labels, so that all these
    ids have the same length."""
    if not isinstance(document, dict):
        return document
    lists = {
        name: list(map(_item_without_mail, document[name]))
        for name in ("messages", "labels")
        if isinstance(document.get(name), list)
    }
    return _item_without_mail({**document, **lists})


def _item_without_mail(item: Any) -> Any:
    if not isinstance(item, dict):
        return item
    changed, payload = dict(item), item.get("payload")
    if isinstance(payload, dict) and "parts" in payload:
        changed["payload"] = {**payload, "parts": list(_inner_parts(payload))}
    if isinstance(item.get("id"), str) and item["id"] in _SYSTEM_LABELS:
        changed["id"] = "LABEL"
    return changed


def _inner_parts(payload: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield all parts below the payload, without their own parts."""
    pending = [payload]
    while pending:
        parts = pending.pop().get("parts")
        for part in parts if isinstance(parts, list) else ():
            if isinstance(part, dict):
                pending.append(part)
                yield {name: value for name, value in part.items() if name != "parts"}
