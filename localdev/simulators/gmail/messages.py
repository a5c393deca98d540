"""Serve `users.messages.get` of the simulated Gmail API."""

from localdev.simulators.gmail.call import GmailCall, GmailResult
from localdev.simulators.gmail.reading import require_read_scope
from localdev.simulators.gmail.shapes import FORMATS_WITH_BODY, MESSAGE_FORMATS, message_to_json


def get_message(call: GmailCall) -> GmailResult:
    form = call.read_enum_parameter("format", MESSAGE_FORMATS)
    has_body = form in FORMATS_WITH_BODY
    if has_body:
        require_read_scope(call)
    message = call.gmail_mailbox.find_message(call.path_ids[0])
    document = message_to_json(
        message,
        form,
        call.read_repeated_parameter("metadataHeaders"),
        attachment_ids=call.valid_attachment_ids,
        max_inline_bytes=call.behaviour.max_inline_text_bytes,
    )
    return GmailResult(
        json_body=document,
        messages_with_body_count=int(has_body),
        messages_without_body_count=int(not has_body),
    )
