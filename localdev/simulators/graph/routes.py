"""Find the function that serves a path below `/me` or `/users/{id}`."""

import re
from collections.abc import Callable
from urllib.parse import unquote

from localdev.simulators.behaviour import Behaviour
from localdev.simulators.graph import folders, messages, subscriptions
from localdev.simulators.graph.call import Call, CallResult
from localdev.simulators.graph.errors import GraphError, bad_request
from localdev.simulators.graph.folder_feed import folder_delta
from localdev.simulators.graph.message_feed import message_delta
from localdev.simulators.graph.subscriptions import SUBSCRIPTIONS

Handler = Callable[[Call], CallResult]
_IN_FUNCTION_FORM = re.compile(r"^(\w+)\('(.*)'\)$")


def get_signed_in_user(call: Call) -> CallResult:
    mailbox = call.mailbox
    return CallResult(
        document={
            "@odata.context": call.odata_context("users/$entity"),
            "id": mailbox.user_id,
            "displayName": mailbox.display_name,
            "mail": mailbox.address,
            "userPrincipalName": mailbox.address,
        }
    )


ROUTES: dict[tuple[str, str], Handler] = {
    ("GET", ""): get_signed_in_user,
    ("GET", "mailfolders"): folders.list_folders,
    ("GET", "mailfolders/delta"): folder_delta,
    ("GET", "mailfolders/*"): folders.get_folder,
    ("GET", "mailfolders/*/childfolders"): folders.list_child_folders,
    ("GET", "mailfolders/*/messages"): messages.list_messages,
    ("GET", "mailfolders/*/messages/delta"): message_delta,
    ("GET", "mailfolders/*/messages/*"): messages.get_message,
    ("GET", "messages"): messages.list_messages,
    ("GET", "messages/*"): messages.get_message,
    ("GET", SUBSCRIPTIONS): subscriptions.list_subscriptions,
    ("POST", SUBSCRIPTIONS): subscriptions.create_subscription,
    ("GET", f"{SUBSCRIPTIONS}/*"): subscriptions.get_subscription,
    ("PATCH", f"{SUBSCRIPTIONS}/*"): subscriptions.renew_subscription,
    ("DELETE", f"{SUBSCRIPTIONS}/*"): subscriptions.delete_subscription,
}
_COLLECTIONS = frozenset({"mailfolders", "childfolders", "messages", "users", SUBSCRIPTIONS})


def split_path(path: str) -> list[str]:
    """Return the decoded segments of a path; `mailFolders('ID')` becomes `mailFolders`, `ID`."""
    found: list[str] = []
    for part in path.strip("/").split("/"):
        match = _IN_FUNCTION_FORM.match(unquote(part).removesuffix("()"))
        found += match.groups() if match else [unquote(part).removesuffix("()")]
    return [part for part in found if part]


def split_mailbox_path(path: str) -> tuple[str | None, list[str]]:
    """Return the user named in the path, None for `/me`, and the segments that follow.

    Raises GraphError 400 for a path that is neither below a user nor of subscriptions.
    """
    parts = split_path(path)
    if parts and parts[0].lower() == SUBSCRIPTIONS:
        return None, parts
    if parts and parts[0].lower() == "me":
        return None, parts[1:]
    if len(parts) > 1 and parts[0].lower() == "users":
        return parts[1], parts[2:]
    name = parts[0] if parts else ""
    raise bad_request(f"Resource not found for the segment '{name}'.")


def find_route(
    method: str, parts: list[str], behaviour: Behaviour
) -> tuple[Handler, tuple[str, ...]]:
    """Return the handler and the ids in the path. Raises GraphError 400 or 405."""
    if parts and parts[-1].lower() == "delta" and not behaviour.has_delta:
        raise bad_request("Resource not found for the segment 'delta'.")
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
    raise bad_request(f"Resource not found for the segment '{parts[-1] if parts else ''}'.")


def _pattern(parts: list[str]) -> tuple[str, tuple[str, ...]]:
    """Replace the ids in a path, which follow a collection's name; `delta` there is a function."""
    pattern: list[str] = []
    names: list[str] = []
    for part in parts:
        if pattern and pattern[-1] in _COLLECTIONS and part.lower() != "delta":
            pattern.append("*")
            names.append(part)
        else:
            pattern.append(part.lower())
    return "/".join(pattern), tuple(names)
