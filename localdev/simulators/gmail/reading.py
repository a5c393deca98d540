"""Serve the methods of the Gmail API that read the profile, labels, lists and the history.

Source: Gmail API documentation, reference of `users`.
"""

import re

from localdev.simulators.gmail.call import GmailCall, GmailResult
from localdev.simulators.gmail.errors import GmailError, invalid_argument_error, not_found_error
from localdev.simulators.gmail.history import (
    RECORD_FIELD_BY_HISTORY_TYPE,
    History,
    filter_records_by_type_and_label,
)
from localdev.simulators.gmail.ids import (
    make_history_id_of_change,
    make_history_page_token,
    parse_history_page_token,
)
from localdev.simulators.gmail.labels import LABEL_IDS_OUTSIDE_ALL_MAIL, GmailLabel
from localdev.simulators.gmail.tokens import BODY_READING_SCOPES

RESULT_SIZE_ESTIMATE_IF_MORE_PAGES = 201
_UINT64 = re.compile(r"[0-9]{1,20}")


def get_profile(call: GmailCall) -> GmailResult:
    gmail = call.gmail_mailbox
    counts = gmail.count_messages_and_threads(
        (), includes_spam_trash=call.behaviour_switches.does_profile_count_trash
    )
    return GmailResult(
        json_body={
            "emailAddress": gmail.simulated_mailbox.address,
            "messagesTotal": counts["messagesTotal"],
            "threadsTotal": counts["threadsTotal"],
            "historyId": str(gmail.newest_history_id),
        }
    )


def list_labels(call: GmailCall) -> GmailResult:
    labels = [
        each.to_json()
        for each in call.gmail_mailbox.labels.label_by_id.values()
        if each.is_returned_by_api
    ]
    return GmailResult(json_body={"labels": labels})


def get_label(call: GmailCall) -> GmailResult:
    label = call.gmail_mailbox.labels.label_by_id.get(call.resource_ids_in_path[0])
    if label is None or not label.is_returned_by_api:
        raise not_found_error()
    return GmailResult(json_body={**label.to_json(), **_counts(call, label)})


def _counts(call: GmailCall, label: GmailLabel) -> dict[str, int]:
    with_trash = call.behaviour_switches.is_trash_counted or label.id in LABEL_IDS_OUTSIDE_ALL_MAIL
    return call.gmail_mailbox.count_messages_and_threads([label.id], includes_spam_trash=with_trash)


def list_messages(call: GmailCall) -> GmailResult:
    if call.read_text_parameter("q"):
        require_body_reading_scope(call)
        raise invalid_argument_error("The simulator does not search mail.")
    listed, token = call.gmail_mailbox.list_message_page(
        call.read_repeated_parameter("labelIds"),
        includes_spam_trash=call.read_bool_parameter("includeSpamTrash"),
        token=call.read_text_parameter("pageToken"),
        limit=call.read_page_size(),
    )
    if call.behaviour_switches.are_pages_disordered:
        listed.reverse()
    document: dict[str, object] = {
        "resultSizeEstimate": RESULT_SIZE_ESTIMATE_IF_MORE_PAGES if token else len(listed)
    }
    if listed:
        document["messages"] = [{"id": each.id, "threadId": each.thread_id} for each in listed]
    if token:
        document["nextPageToken"] = token
    return GmailResult(json_body=document)


def list_history(call: GmailCall) -> GmailResult:
    gmail, held = call.gmail_mailbox, call.gmail_mailbox.held_change
    newest = (
        gmail.newest_history_id
        if held is None
        else min(gmail.newest_history_id, make_history_id_of_change(held))
    )
    types = call.read_repeated_parameter("historyTypes")
    if unknown := {*types} - {*RECORD_FIELD_BY_HISTORY_TYPE}:
        raise invalid_argument_error(
            f"Invalid value at 'history_types' (TYPE_ENUM), \"{min(unknown)}\""
        )
    history = History(gmail)
    start = _start_history_id(call)
    if history.is_history_id_out_of_range(start):
        raise not_found_error()
    records = history.list_records_after_id(_history_position(call, start), until=held)
    page = records[: call.read_page_size()]
    lists = [RECORD_FIELD_BY_HISTORY_TYPE[each] for each in types or RECORD_FIELD_BY_HISTORY_TYPE]
    following = make_history_page_token(int(page[-1]["id"])) if len(records) > len(page) else None
    if call.behaviour_switches.are_pages_disordered:
        page.reverse()
    document: dict[str, object] = {"historyId": str(newest)}
    if shown := filter_records_by_type_and_label(page, lists, call.read_text_parameter("labelId")):
        document["history"] = shown
    if following:
        document["nextPageToken"] = following
    return GmailResult(json_body=document)


def _start_history_id(call: GmailCall) -> int:
    text = call.read_text_parameter("startHistoryId")
    if text is None or not _UINT64.fullmatch(text):
        raise invalid_argument_error("Invalid startHistoryId" if text else "Missing startHistoryId")
    return int(text)


def _history_position(call: GmailCall, start: int) -> int:
    """Return the id of the history record after which the requested page begins: the id in the
    request's page token, or `start` if the request has no page token."""
    token = call.read_text_parameter("pageToken")
    if token is None:
        return start
    position = parse_history_page_token(token)
    if position is None or position < start:
        raise invalid_argument_error("Invalid pageToken")
    return position


def require_body_reading_scope(call: GmailCall) -> None:
    """Raise GmailError 403 if the token permits only metadata."""
    if not BODY_READING_SCOPES & {*call.scopes}:
        message = "Metadata scope does not allow this parameter or format."
        raise GmailError(403, "forbidden", message)
