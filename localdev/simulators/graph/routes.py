"""Find the function that serves a path below `/me`, `/users/{id}` or `/subscriptions`."""

import re
from collections.abc import Callable
from urllib.parse import unquote

from localdev.simulators.behaviour import MicrosoftBehaviour
from localdev.simulators.graph import folders, messages, subscriptions
from localdev.simulators.graph.call import GraphCall, GraphResult
from localdev.simulators.graph.errors import GraphError, bad_request_error
from localdev.simulators.graph.folder_feed import serve_folder_delta
from localdev.simulators.graph.message_feed import serve_message_delta
from localdev.simulators.graph.subscriptions import SUBSCRIPTIONS_PATH

RouteHandler = Callable[[GraphCall], GraphResult]
_IN_FUNCTION_FORM = re.compile(r"^(\w+)\('(.*)'\)$")


def get_user(call: GraphCall) -> GraphResult:
    mailbox = call.mailbox
    return GraphResult(
        json_body={
            "@odata.context": call.build_odata_context("users/$entity"),
            "id": mailbox.user_id,
            "displayName": mailbox.display_name,
            "mail": mailbox.address,
            "userPrincipalName": mailbox.address,
        }
    )


ROUTES: dict[tuple[str, str], RouteHandler] = {
    ("GET", ""): get_user,
    ("GET", "mailfolders"): folders.list_folders,
    ("GET", "mailfolders/delta"): serve_folder_delta,
    ("GET", "mailfolders/*"): folders.get_folder,
    ("GET", "mailfolders/*/childfolders"): folders.list_child_folders,
    ("GET", "mailfolders/*/messages"): messages.list_messages,
    ("GET", "mailfolders/*/messages/delta"): serve_message_delta,
    ("GET", "mailfolders/*/messages/*"): messages.get_message,
    ("GET", "messages"): messages.list_messages,
    ("GET", "messages/*"): messages.get_message,
    ("POST", "mailfolders/*/messages/*/move"): messages.move_message,
    ("POST", "messages/*/move"): messages.move_message,
    ("GET", SUBSCRIPTIONS_PATH): subscriptions.list_subscriptions,
    ("POST", SUBSCRIPTIONS_PATH): subscriptions.create_subscription,
    ("GET", f"{SUBSCRIPTIONS_PATH}/*"): subscriptions.get_subscription,
    ("PATCH", f"{SUBSCRIPTIONS_PATH}/*"): subscriptions.renew_subscription,
    ("DELETE", f"{SUBSCRIPTIONS_PATH}/*"): subscriptions.delete_subscription,
}
_COLLECTIONS = frozenset({"mailfolders", "childfolders", "messages", "users", SUBSCRIPTIONS_PATH})


def split_path(path: str) -> list[str]:
    """Return the decoded segments of a path. A segment `mailFolders('ID')` becomes two segments,
    `mailFolders` and `ID`."""
    found: list[str] = []
    for part in path.strip("/").split("/"):
        match = _IN_FUNCTION_FORM.match(unquote(part).removesuffix("()"))
        found += match.groups() if match else [unquote(part).removesuffix("()")]
    return [part for part in found if part]


def split_mailbox_path(path: str) -> tuple[str | None, list[str]]:
    """Split a path into the user that it names and the segments after the user. The user is None
    for `/me` and for paths of subscriptions.

    Raises:
        GraphError: 400 for a path that is neither below a user nor a path of subscriptions.
    """
    parts = split_path(path)
    if parts and parts[0].lower() == SUBSCRIPTIONS_PATH:
        return None, parts
    if parts and parts[0].lower() == "me":
        return None, parts[1:]
    if len(parts) > 1 and parts[0].lower() == "users":
        return parts[1], parts[2:]
    name = parts[0] if parts else ""
    raise bad_request_error(f"Resource not found for the segment '{name}'.")


def find_route(
    method: str, parts: list[str], behaviour: MicrosoftBehaviour
) -> tuple[RouteHandler, tuple[str, ...]]:
    """Return the handler of a request and the ids in the path.

    parts: segments of the path after the user.

    Raises:
        GraphError: 400 if no route has the path, 405 if the path does not allow the HTTP method.
    """
    if parts and parts[-1].lower() == "delta" and not behaviour.has_delta:
        raise bad_request_error("Resource not found for the segment 'delta'.")
    while len(parts) > 3 and [parts[0].lower(), parts[2].lower()] == [
        "mailfolders",
        "childfolders",
    ]:
        parts = ["mailFolders", *parts[3:]]
    pattern, names = _pattern(parts)
    handler = ROUTES.get((method, pattern))
    if handler:
        return handler, names
    if any(known == pattern for _, known in ROUTES):
        raise GraphError(405, "BadRequest", "Specified HTTP method is not allowed.")
    raise bad_request_error(f"Resource not found for the segment '{parts[-1] if parts else ''}'.")


def _pattern(parts: list[str]) -> tuple[str, tuple[str, ...]]:
    """Replace each id in a path by `*`; return the path and the ids. An id follows the name of a
    collection. The segment `delta` is a function and no id."""
    pattern: list[str] = []
    names: list[str] = []
    for part in parts:
        if pattern and pattern[-1] in _COLLECTIONS and part.lower() != "delta":
            pattern.append("*")
            names.append(part)
        else:
            pattern.append(part.lower())
    return "/".join(pattern), tuple(names)
