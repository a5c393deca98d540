"""List and read folders. Source: Microsoft Graph docs, user-list-mailfolders."""

from typing import Any

from localdev.simulators.graph.call import GraphCall, GraphResult
from localdev.simulators.graph.outlook import OutlookFolder
from localdev.simulators.graph.query import DEFAULT_PAGE_SIZE, MAX_LIST_PAGE_SIZE
from localdev.simulators.graph.shapes import folder_json


def list_folders(call: GraphCall) -> GraphResult:
    """Return the folders directly below the root folder. Deeper folders are in the lists of their
    parents."""
    return _page_of_children(call, "msgfolderroot", "mailFolders")


def list_child_folders(call: GraphCall) -> GraphResult:
    parent = call.mailbox.folders.find_folder(call.resource_ids_in_path[0])
    return _page_of_children(call, parent.id, f"mailFolders('{parent.id}')/childFolders")


def get_folder(call: GraphCall) -> GraphResult:
    folder = call.mailbox.folders.find_folder(call.resource_ids_in_path[0])
    context = {"@odata.context": call.build_mailbox_odata_context("mailFolders", is_entity=True)}
    return GraphResult(
        json_body=context | folder_json(folder, call.odata_query.selected_properties("mailFolder"))
    )


def _page_of_children(call: GraphCall, parent: str, path: str) -> GraphResult:
    top = call.odata_query.get_integer_option(
        "top", default=DEFAULT_PAGE_SIZE, least=1, most=MAX_LIST_PAGE_SIZE
    )
    skip = call.odata_query.get_integer_option("skip", default=0)
    select = call.odata_query.selected_properties("mailFolder")
    wanted = [
        each for each in call.mailbox.folders.list_child_folders(parent) if _is_asked(call, each)
    ]
    page = wanted[skip : skip + top]
    document: dict[str, Any] = {"@odata.context": call.build_mailbox_odata_context(path)}
    if call.odata_query.is_option_true("count"):
        document |= {"@odata.count": len(wanted)}
    if len(wanted) > skip + top:
        options: dict[str, str | int] = {
            **call.odata_query.option_value_by_name,
            "skip": skip + top,
        }
        hidden = options.pop("includehiddenfolders", None)
        document |= {"@odata.nextLink": call.build_mailbox_url(path, options)}
        if hidden:
            document["@odata.nextLink"] += f"&includeHiddenFolders={hidden}"
    return GraphResult(json_body={**document, "value": [folder_json(one, select) for one in page]})


def _is_asked(call: GraphCall, folder: OutlookFolder) -> bool:
    return not folder.is_hidden or call.odata_query.is_option_true("includehiddenfolders")
