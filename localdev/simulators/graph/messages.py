"""List, read and move messages. Source: Microsoft Graph docs, user-list-messages, message-get."""

from typing import Any

from localdev.simulators.graph.call import GraphCall, GraphResult
from localdev.simulators.graph.errors import bad_request_error
from localdev.simulators.graph.query import DEFAULT_PAGE_SIZE, MAX_LIST_PAGE_SIZE
from localdev.simulators.graph.shapes import message_json
from localdev.simulators.mailbox import MessageNotFound


def list_messages(call: GraphCall) -> GraphResult:
    """Return a page of messages of the folder that the path names, or of the whole mailbox if the
    path names no folder. The page begins after the first `$skip` messages."""
    folders, path = _scope(call)
    top = call.odata_query.get_integer_option(
        "top", default=DEFAULT_PAGE_SIZE, least=1, most=MAX_LIST_PAGE_SIZE
    )
    skip = call.odata_query.get_integer_option("skip", default=0)
    since, before = call.odata_query.parse_received_time_filter() or ("", "99999")
    neutral = call.mailbox.simulated_mailbox
    found = neutral.list_messages_in_folders(
        *folders, older_than=(before, 0), since=since, skip=skip, limit=top + 1
    )
    view = call.message_json_options
    value = [
        message_json(each, view) for each in call.mailbox.convert_to_outlook_messages(found[:top])
    ]
    document: dict[str, Any] = {"@odata.context": call.build_mailbox_odata_context(path)}
    if call.odata_query.is_option_true("count"):
        document["@odata.count"] = neutral.count_messages_in_folders(*folders)
    if len(found) > top:
        document["@odata.nextLink"] = call.build_mailbox_url(
            path, {**call.odata_query.option_value_by_name, "skip": skip + top}
        )
    full = len(value) if view.includes_property("body") else 0
    return GraphResult(
        json_body=document | {"value": value},
        messages_with_body_count=full,
        messages_without_body_count=len(value) - full,
    )


def get_message(call: GraphCall) -> GraphResult:
    """Return one message by its id. A permanently deleted message can be read only if
    `MicrosoftBehaviour.purged_stay_readable`.

    Raises:
        MessageNotFound: no message has the id, or the message may not be read.
    """
    message = call.mailbox.find_message(call.resource_ids_in_path[-1])
    if call.mailbox.is_message_purged(message) and not call.behaviour_switches.purged_stay_readable:
        raise MessageNotFound(call.resource_ids_in_path[-1])
    view = call.message_json_options
    context = {"@odata.context": call.build_mailbox_odata_context("messages", is_entity=True)}
    full = int(view.includes_property("body"))
    document = context | message_json(message, view)
    return GraphResult(
        json_body=document, messages_with_body_count=full, messages_without_body_count=1 - full
    )


def move_message(call: GraphCall) -> GraphResult:
    """Move a message to the folder that the body names as `destinationId`; return the message.

    A message that is moved keeps its immutable id. Source: Microsoft Graph docs, message-move.
    """
    destination = call.json_body.get("destinationId") if isinstance(call.json_body, dict) else None
    if not isinstance(destination, str) or not destination:
        raise bad_request_error("The request is malformed: destinationId.", "ErrorInvalidRequest")
    number = call.mailbox.find_message_number(call.resource_ids_in_path[-1])
    call.mailbox.simulated_mailbox.move_message(
        number, call.mailbox.folders.find_folder(destination).folder_number
    )
    [message] = call.mailbox.convert_to_outlook_messages(
        [call.mailbox.simulated_mailbox.find_message(number)]
    )
    context = {"@odata.context": call.build_mailbox_odata_context("messages", is_entity=True)}
    return GraphResult(
        status=201, json_body=context | message_json(message, call.message_json_options)
    )


def _scope(call: GraphCall) -> tuple[list[int], str]:
    """Return the numbers of the folders whose messages are listed, and the path of the list."""
    if call.resource_ids_in_path:
        folder = call.mailbox.folders.find_folder(call.resource_ids_in_path[0])
        return [
            folder.folder_number
        ] if folder.folder_number else [], f"mailFolders('{folder.id}')/messages"
    return [folder.folder_number for folder in call.mailbox.folders.list_all_folders()], "messages"
