"""Convert folders and messages to JSON objects of Graph v1.0. Sources: Graph's CSDL schema, and
public captures."""

from dataclasses import dataclass
from typing import Any

from localdev.simulators.graph.outlook import OutlookFolder, OutlookMessage
from localdev.simulators.graph.properties import text_to_html

ODATA_TYPE_OF_MESSAGE = "#microsoft.graph.message"


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageJsonOptions:
    """The form of the messages in the response to one request.

    selected_properties: names of the selected properties. None: all default properties.
    has_immutable_ids: whether messages appear with their immutable ids instead of their default
        ids.
    """

    selected_properties: frozenset[str] | None
    has_immutable_ids: bool

    def includes_property(self, name: str) -> bool:
        return self.selected_properties is None or name in self.selected_properties

    def id_of_message(self, message: OutlookMessage) -> str:
        return message.immutable_id if self.has_immutable_ids else message.mutable_id


def message_json(message: OutlookMessage, view: MessageJsonOptions) -> dict[str, Any]:
    """Return the message's selected properties and its etag, without `@odata.type`."""
    computed = {
        "changeKey": message.change_key,
        "parentFolderId": message.folder_id,
        "isRead": message.is_read,
    }
    shown = {
        name: value
        for name, value in {**message.properties, **computed}.items()
        if view.includes_property(name)
    }
    if view.includes_property("body"):
        is_text = message.body_type == "text"
        content = text_to_html(message.body) if is_text else message.body
        shown["body"] = {"contentType": "html", "content": content}
    return {"@odata.etag": f'W/"{message.change_key}"', "id": view.id_of_message(message), **shown}


def delta_message_json(message: OutlookMessage, view: MessageJsonOptions) -> dict[str, Any]:
    return {"@odata.type": ODATA_TYPE_OF_MESSAGE, **message_json(message, view)}


def delta_read_state_json(message: OutlookMessage, view: MessageJsonOptions) -> dict[str, Any]:
    """Return the partial JSON object, without etag, with which delta reports a new read state."""
    return {
        "@odata.type": ODATA_TYPE_OF_MESSAGE,
        "id": view.id_of_message(message),
        "isRead": message.is_read,
        "parentFolderId": message.folder_id,
    }


def folder_json(folder: OutlookFolder, select: frozenset[str] | None) -> dict[str, Any]:
    document: dict[str, Any] = {
        "id": folder.id,
        "displayName": folder.display_name,
        "parentFolderId": folder.parent_id,
        "childFolderCount": folder.visible_child_count,
        "unreadItemCount": folder.unread_count,
        "totalItemCount": folder.message_count,
        "sizeInBytes": 0,
        "isHidden": folder.is_hidden,
    }
    if select is not None:
        document = {name: value for name, value in document.items() if name in select}
    if folder.search_folder_filter is not None:
        search = {
            "isSupported": True,
            "includeNestedFolders": True,
            "sourceFolderIds": [],
            "filterQuery": folder.search_folder_filter,
        }
        document = {"@odata.type": "#microsoft.graph.mailSearchFolder", **document, **search}
    return document


def delta_folder_json(folder: OutlookFolder, select: frozenset[str] | None) -> dict[str, Any]:
    return {"@odata.type": "#microsoft.graph.mailFolder", **folder_json(folder, select)}


def removed_item_json(kind: str, removed_id: str) -> dict[str, Any]:
    return {
        "@odata.type": f"#microsoft.graph.{kind}",
        "@removed": {"reason": "deleted"},
        "id": removed_id,
    }
