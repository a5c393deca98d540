"""Find the function that serves a path of the Gmail API, with the name and the quota cost of the
API method.

Source: Google's discovery document of the Gmail API; Gmail API documentation, "Usage limits" (costs
for projects created since May 2026).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import unquote

from localdev.simulators.gmail import attachments, messages, reading, threads, watches
from localdev.simulators.gmail.call import GmailCall, GmailResult
from localdev.simulators.gmail.errors import GmailError

USERS_PATH_PREFIX = "/gmail/v1/users/"
RouteHandler = Callable[[GmailCall], GmailResult]


@dataclass(frozen=True, slots=True)
class Route:
    """A method of the Gmail API.

    method: HTTP method.
    path_with_wildcards: path below the user, with `*` for an id, such as `messages/*`.
    api_method_name: name of the API method, such as `messages.get`.
    quota_units: quota units that a request costs.
    """

    method: str
    path_with_wildcards: str
    api_method_name: str
    quota_units: int
    handler: RouteHandler


ROUTES = (
    Route("GET", "profile", "getProfile", 1, reading.get_profile),
    Route("GET", "labels", "labels.list", 1, reading.list_labels),
    Route("GET", "labels/*", "labels.get", 1, reading.get_label),
    Route("GET", "messages", "messages.list", 5, reading.list_messages),
    Route("GET", "messages/*", "messages.get", 20, messages.get_message),
    Route(
        *("GET", "messages/*/attachments/*", "attachments.get", 20),
        handler=attachments.get_attachment,
    ),
    Route("GET", "threads", "threads.list", 10, threads.list_threads),
    Route("GET", "threads/*", "threads.get", 40, threads.get_thread),
    Route("GET", "history", "history.list", 2, reading.list_history),
    Route("POST", "watch", "watch", 100, watches.start_watch),
    Route("POST", "stop", "stop", 50, watches.stop_watch),
)
_ROUTE_EXPRESSIONS = [
    (each, re.compile(re.escape(each.path_with_wildcards).replace(r"\*", "([^/]+)")))
    for each in ROUTES
]


def split_user_from_path(path: str) -> tuple[str, str]:
    """Split a path into the user, which is `me` or an address, and the path below the user.

    Raises:
        GmailError: 404 if the path is not below a user.
    """
    if not path.startswith(USERS_PATH_PREFIX):
        raise GmailError(404, "notFound", "Not Found")
    user, _, rest = path.removeprefix(USERS_PATH_PREFIX).partition("/")
    return unquote(user), rest


def find_route(method: str, path: str) -> tuple[Route, tuple[str, ...]]:
    """Return the route of a request, and the ids in the path.

    path: the path below the user.

    Raises:
        GmailError: 404 if no route has the path, 405 if the path does not allow the HTTP method.
    """
    is_path_known = False
    for route, expression in _ROUTE_EXPRESSIONS:
        if found := expression.fullmatch(path):
            if route.method == method:
                return route, tuple(map(unquote, found.groups()))
            is_path_known = True
    if is_path_known:
        raise GmailError(405, "httpMethodNotAllowed", "Method not allowed")
    raise GmailError(404, "notFound", "Not Found")
