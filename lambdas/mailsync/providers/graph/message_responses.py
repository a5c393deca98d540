"""Convert the responses of Microsoft Graph to requests for single messages."""

from mailsync.model import Message, MessageNotFoundByIdResult, RemoteId, UnreadableMessage
from mailsync.providers.graph.errors import (
    QUARANTINE_CAUSE_BY_ERROR_CODE,
    TOO_LARGE_RESPONSE_STATUS,
    GraphResponse,
    RequestedResourceKind,
    to_mailsync_error,
)
from mailsync.providers.graph.messages import parse_message


def read_message_response(
    remote_id: RemoteId, response: GraphResponse
) -> Message | MessageNotFoundByIdResult | UnreadableMessage | None:
    """Return the result of fetching one message. Return None if the request failed and it is not
    known whether the message or the whole mailbox is the cause; the caller must find out.

    Raises:
        ProviderThrottled, ProviderUnavailable: the failure concerns every message.
    """
    if response.has_status_200:
        message = parse_message(response.body)
        if message.remote_id == remote_id:
            return message
        return UnreadableMessage(
            remote_id, "other_id", "Microsoft Graph returned a message with another id."
        )
    if response.error_code in QUARANTINE_CAUSE_BY_ERROR_CODE:
        cause = QUARANTINE_CAUSE_BY_ERROR_CODE[response.error_code]
        return UnreadableMessage(
            remote_id, cause, f"Microsoft Graph returned {response.error_code}."
        )
    if response.is_requested_object_missing:
        return MessageNotFoundByIdResult(remote_id)
    if response.is_throttled or response.status == 401:
        raise to_mailsync_error(response, RequestedResourceKind.IN_MAILBOX)
    return None


def to_unreadable_message(remote_id: RemoteId, response: GraphResponse) -> UnreadableMessage:
    """Return an UnreadableMessage for a message whose request failed. The caller has found that the
    mailbox responds to other requests, so the message is the cause."""
    cause = "too_large" if response.status == TOO_LARGE_RESPONSE_STATUS else "unanswered"
    return UnreadableMessage(
        remote_id, cause, str(to_mailsync_error(response, RequestedResourceKind.IN_MAILBOX))
    )
