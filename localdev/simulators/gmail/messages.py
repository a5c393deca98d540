"""Serve `users.messages.get` of the simulated Gmail API."""

from localdev.simulators.gmail.call import GmailCall, GmailResult
from localdev.simulators.gmail.reading import require_body_reading_scope
from localdev.simulators.gmail.shapes import (
    MESSAGE_FORMATS,
    MESSAGE_FORMATS_WITH_BODY,
    message_to_json,
)


def get_message(call: GmailCall) -> GmailResult:
    form = call.read_enum_parameter("format", MESSAGE_FORMATS)
    has_body = form in MESSAGE_FORMATS_WITH_BODY
    if has_body:
        require_body_reading_scope(call)
    message = call.gmail_mailbox.find_message(call.resource_ids_in_path[0])
    document = message_to_json(
        message,
        form,
        call.read_repeated_parameter("metadataHeaders"),
        attachment_ids=call.attachment_id_registry,
        max_inline_bytes=call.behaviour_switches.max_inline_text_bytes,
    )
    return GmailResult(
        json_body=document,
        messages_with_body_count=int(has_body),
        messages_without_body_count=int(not has_body),
    )
