"""Compare Microsoft Graph with its simulator: describe requests in fixed words, and list the words
that a record may contain.

Sources of the words: Microsoft Graph docs, "message resource type", "Microsoft Graph error
    responses"; Microsoft identity platform docs, "v2-oauth2-device-code".
"""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

from localdev.live.graph.sign_in import let_user_sign_in, make_signed_in_simulated_upstream
from localdev.live.kit import SimulatedProvider
from localdev.live.record import (
    ExchangeToRecord,
    RecordableNamesAndWords,
    Recorder,
    parse_allowed_word_lines,
)
from localdev.live.relay import (
    HttpProviderUpstream,
    HttpRelay,
    ReceivedResponse,
    RelayedRequest,
    store_account_with_relay_token,
)
from localdev.mail.generate import generate_mail_items
from localdev.simulators import Simulators
from localdev.simulators.behaviour import LATENCY_BY_NAME
from localdev.simulators.faults import Fault, FaultRule
from localdev.simulators.mailbox import Mailbox
from mailsync.credentials.vault import SealingKey
from mailsync.model import AccountId
from mailsync.registry import MICROSOFT
from mailsync.store.credential_store import CredentialStore

_ADDRESS = "baseline@example.com"
_MESSAGES, _ARCHIVED, _CHANGED = 700, 350, 20  # several pages, and part of one
_BATCH_PATH = "/$batch"
_LINKS = "@odata.nextLink", "@odata.deltaLink"
_RESOURCES = frozenset(
    ("me", "users", "mailFolders", "childFolders", "messages", "delta", "$batch")
)
_ALIASES = frozenset(
    (
        *("archive", "clutter", "conflicts", "conversationhistory", "deleteditems", "drafts"),
        *("inbox", "junkemail", "localfailures", "msgfolderroot", "outbox", "scheduled"),
        *("recoverableitemsdeletions", "searchfolders", "sentitems", "serverfailures"),
        "syncissues",
    )
)
_OPTIONS = frozenset(("$select", "$top", "$count", "$orderby", "$filter", "includeHiddenFolders"))
_TOKENS = {"$skiptoken": "next page", "$skip": "next page", "$deltatoken": "delta link"}
_IN_FUNCTION_FORM = re.compile(r"(\w+)\('.*'\)")
_ERROR_CODES = (
    "code: ApplicationThrottled Authorization_RequestDenied BadRequest ErrorAccessDenied"
    " ErrorInternalServerError ErrorInternalServerTransientError ErrorInvalidIdMalformed"
    " ErrorInvalidMailboxItemId ErrorInvalidUrlQuery ErrorInvalidUser ErrorItemNotFound"
    " ErrorMailboxMoveInProgress ErrorQuotaExceeded ErrorServerBusy ErrorTooManyObjectsOpened"
    " InvalidAuthenticationToken MailboxNotEnabledForRESTAPI RequestBroker--ParseUri"
    " Request_ResourceNotFound ResourceNotFound ServiceNotAvailable SyncStateInvalid"
    " SyncStateNotFound TooManyRequests UnknownError generalException resyncRequired",
    "error: authorization_declined authorization_pending bad_verification_code expired_token"
    " invalid_client invalid_grant invalid_request slow_down temporarily_unavailable",
)
_RECORDABLE_VOCABULARY = RecordableNamesAndWords(
    field_name_pattern=re.compile(
        r"(?:[A-Za-z][A-Za-z_-]{0,39})?(?:@(?:odata|microsoft\.graph)\.[A-Za-z]{1,30})?|@[a-z]{1,30}"
    ),
    fields_with_user_defined_keys=frozenset(("extensions", "customSecurityAttributes")),
    allowed_words_by_field=dict(
        parse_allowed_word_lines(
            *_ERROR_CODES,
            "@odata.type: #microsoft.graph.message #microsoft.graph.mailFolder"
            " #microsoft.graph.mailSearchFolder #microsoft.graph.eventMessage"
            " #microsoft.graph.eventMessageRequest #microsoft.graph.eventMessageResponse",
            "contentType: html text",
            "flagStatus: complete flagged notFlagged",
            "importance: high low normal",
            "inferenceClassification: focused other",
            "reason: changed deleted",
            "token_type: Bearer",
            "content-type: application/json odata.metadata=minimal odata.streaming=true"
            " ieee754compatible=false charset=utf-8 text/html text/plain",
            "content-encoding: gzip deflate br",
            "preference-applied: idtype=immutableid odata.maxpagesize",
        )
    ),
    names_of_fields_with_recorded_size=frozenset(
        (
            *("id", "conversationId", "parentFolderId", "@odata.etag"),
            *(
                "expires_in",
                "ext_expires_in",
                "interval",
                "retry-after",
                "x-ms-throttle-limit-percentage",
            ),
            *("ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"),
        )
    ),
)


class GraphLiveComparisonKit:
    """Compares Microsoft Graph with its simulator; implements `LiveComparisonKit` and
    `HttpRelayKitInterface`."""

    provider_name = MICROSOFT
    recordable_names_and_words = _RECORDABLE_VOCABULARY
    error_probe_paths: tuple[str, ...] = (
        "/me?$select=id",
        f"/me/mailFolders/AAMkAD{'A' * 114}=",
        "/me/messages/no!id",
        "/me/messages?$select=nothing",
        "/me/mailFolders/inbox/messages/delta?$deltatoken=nothing",
    )

    def open_relay(self, folder: Path) -> HttpRelay:
        return HttpRelay(self)

    def store_account_with_relay_token(
        self, store: CredentialStore, key: SealingKey, token: str
    ) -> AccountId:
        return store_account_with_relay_token(self.provider_name, store, key, token)

    def is_read_only_request(self, request: RelayedRequest) -> bool:
        if request.method == "POST" and request.path_and_query == _BATCH_PATH:
            items = _items(_parse(request.body), "requests")
            return bool(items) and all(item.get("method") == "GET" for item in items)
        return request.method == "GET"

    def build_exchanges_to_record(
        self, request: RelayedRequest, received: ReceivedResponse
    ) -> list[ExchangeToRecord]:
        status, headers, document = received.status, received.headers, received.json_body
        if request.path_and_query != _BATCH_PATH:
            asked = _asked_items(request.path_and_query, request.headers)
            kind = f"GET {_redact_request_target(request.path_and_query)}"
            whole = _exchange(kind, status, headers, document, asked)
            return [replace(whole, duration_s=received.duration_s)]
        sent = {item.get("id"): item for item in _items(_parse(request.body), "requests")}
        envelope = document
        if isinstance(document, dict) and "responses" in document:
            envelope = {**document, "responses": []}
        found = [
            ExchangeToRecord(
                request_kind="POST $batch",
                http_status=status,
                headers=headers,
                parsed_response_body=envelope,
                duration_s=received.duration_s,
            )
        ]
        for item in _items(document, "responses"):
            asked_item = sent.get(item.get("id"), {})
            target, named = str(asked_item.get("url", "")), asked_item.get("headers", {})
            inner = item.get("headers")
            found.append(
                _exchange(
                    f"batch item GET {_redact_request_target(target)}",
                    item["status"] if isinstance(item.get("status"), int) else 0,
                    {str(k): str(v) for k, v in inner.items()} if isinstance(inner, dict) else {},
                    item.get("body"),
                    _asked_items(target, named),
                )
            )
        return found

    def point_page_links_to_relay(self, document: Any, base_url: str, relay_url: str) -> bool:
        bodies = [document, *(each.get("body") for each in _items(document, "responses"))]
        is_replaced = False
        for body in bodies:
            for name in _LINKS if isinstance(body, dict) else ():
                link = body.get(name)
                if isinstance(link, str) and link.startswith(f"{base_url}/"):
                    body[name] = relay_url + link.removeprefix(base_url)
                    is_replaced = True
        return is_replaced

    def sign_in(self, environment: Mapping[str, str], recorder: Recorder) -> HttpProviderUpstream:
        return let_user_sign_in(environment, recorder)

    @contextmanager
    def run_simulated_provider(
        self, folder: Path, recorder: Recorder, *, latency: str
    ) -> Iterator[SimulatedProvider]:
        with Simulators(folder) as simulators:
            mailbox = simulators.find_or_create_mailbox(_ADDRESS)
            mailbox.import_mail_items(generate_mail_items(_MESSAGES, owner=_ADDRESS))
            # The inbox is read in slices. This folder has several pages and is read without slices.
            mailbox.import_mail_items(
                replace(each, folder=("Archive",))
                for each in generate_mail_items(_ARCHIVED, owner=_ADDRESS, seed=3)
            )
            simulators.service.set_microsoft_behaviour_switches(public_clients_allowed=True)
            simulators.service.latency = LATENCY_BY_NAME[latency]
            # Graph may throttle the real mailbox, so the record needs the form of this error.
            throttled = Fault(status=429, code="ApplicationThrottled", retry_after=1)
            simulators.service.faults.add_rules(
                FaultRule(fault=throttled, path="/messages/delta.*body", in_batch=False),
                FaultRule(fault=throttled, path="/messages/delta", in_batch=True),
            )
            yield SimulatedProvider(
                make_signed_in_simulated_upstream(simulators, mailbox.user_id, recorder),
                lambda: _change_mailbox(mailbox),
                lambda relay_url: _stack_options(simulators, relay_url),
            )


KIT = GraphLiveComparisonKit()


def _change_mailbox(mailbox: Mailbox) -> None:
    """Deliver some messages, and mark others as read and drafts as unread. Delta reports a changed
    read state without the other properties, so Mailsync fetches these messages by id."""
    for folder, is_read in (("inbox", True), ("drafts", False)):
        messages = [
            each for each in mailbox.list_messages_in_folders(folder) if each.is_read is not is_read
        ]
        for message in messages[:_CHANGED]:
            mailbox.set_message_read(message.message_number, is_read=is_read)
    for item in generate_mail_items(_CHANGED, owner=_ADDRESS, seed=2):
        mailbox.deliver_message(item)


def _stack_options(simulators: Simulators, relay_url: str) -> Mapping[str, Any]:
    """Return options of a stack that uses the relay as Graph, and the simulated identity platform.
    The stack gets no tokens from this platform, because the relay holds the user's tokens."""
    environment = {
        "MICROSOFT_CLIENT_ID": "held-by-the-relay",
        "MICROSOFT_CLIENT_SECRET": "held-by-the-relay",
        "CA_BUNDLE": str(simulators.ca_bundle),
    }
    return {
        "graph_url": relay_url,
        "authority": simulators.entra_authority_url,
        "environment": environment,
    }


def _redact_request_target(target: str) -> str:
    """Return the path and query of a request in fixed words, with `{id}` in place of ids and the
    number of properties in place of the value of `$select`."""
    path, _, query = target.partition("?")
    words = "/".join(_describe_segment(unquote(each)) for each in path.split("/"))
    options = dict(parse_qsl(query, keep_blank_values=True))
    for token, meaning in _TOKENS.items():
        if token in options:
            return f"{words} ({meaning})"
    named = []
    for name, value in options.items():
        count = f"({value.count(',') + 1})" if name == "$select" else ""
        named.append(f"{name}{count}" if name in _OPTIONS else "{option}")
    return f"{words}?{'&'.join(named)}" if named else words


def _describe_segment(segment: str) -> str:
    if found := _IN_FUNCTION_FORM.fullmatch(segment):
        return f"{_describe_segment(found[1])}/{{id}}"
    segment = segment.removesuffix("()")
    if segment in _RESOURCES or not segment:
        return segment
    return "{alias}" if segment in _ALIASES else "{id}"


def _exchange(
    kind: str, status: int, headers: Mapping[str, str], document: Any, asked_items: int | None
) -> ExchangeToRecord:
    """Return an exchange. It has an item count only if another page follows, because the size of
    the last page depends on the mailbox."""
    has_next = isinstance(document, dict) and "@odata.nextLink" in document
    items = document.get("value") if has_next else None
    return ExchangeToRecord(
        request_kind=kind,
        http_status=status,
        headers=headers,
        parsed_response_body=document,
        requested_page_size=asked_items,
        item_count_of_non_last_page=len(items) if isinstance(items, list) else None,
    )


def _asked_items(target: str, headers: Mapping[str, str]) -> int | None:
    prefer = next((value for name, value in headers.items() if name.lower() == "prefer"), "")
    found = re.search(r"maxpagesize=(\d{1,6})", prefer) or re.search(r"\$top=(\d{1,6})", target)
    return int(found[1]) if found else None


def _items(document: Any, name: str) -> list[dict[str, Any]]:
    found = document.get(name) if isinstance(document, dict) else None
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _parse(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None
