"""Define the request that a handler of the simulated Graph takes, and the result that it returns.

The request has passed the token check, the throttle and the injected faults.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from localdev.simulators.behaviour import MicrosoftBehaviour
from localdev.simulators.graph.links import DeltaLinkIssuer
from localdev.simulators.graph.outlook import OutlookMailbox
from localdev.simulators.graph.query import ODataQuery, PreferHeader
from localdev.simulators.graph.shapes import MessageJsonOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphCall:
    """A request to the simulated Graph, as the handler of its route gets it.

    signed_in_user_id: id of the signed-in user. None: the application acts without a user.
    requested_mailbox_url_path: the mailbox as the request's URL names it, `me` or `users('…')`.
    resource_ids_in_path: the ids in the request's path, such as folder id and message id.
    json_body: the parsed JSON body. None: the request has no body.
    base_url: URL of the simulated Graph with the API version.
    """

    mailbox: OutlookMailbox
    signed_in_user_id: str | None
    requested_mailbox_url_path: str
    resource_ids_in_path: tuple[str, ...]
    odata_query: ODataQuery
    prefer_header: PreferHeader
    request_headers: Mapping[str, str]
    json_body: Any
    base_url: str
    delta_link_issuer: DeltaLinkIssuer
    behaviour_switches: MicrosoftBehaviour

    @property
    def message_json_options(self) -> MessageJsonOptions:
        return self.message_json_options_for_query(self.odata_query)

    def message_json_options_for_query(self, query: ODataQuery) -> MessageJsonOptions:
        return MessageJsonOptions(
            selected_properties=query.selected_properties("message"),
            has_immutable_ids=self.prefer_header.prefers_immutable_ids,
        )

    def build_mailbox_url(self, path: str, options: Mapping[str, str | int]) -> str:
        """Return the absolute URL of `path` below the request's mailbox, with ids in function form
        (`mailFolders('ID')`), as Graph writes its links."""
        query = urlencode({f"${name}": value for name, value in options.items()}, safe="$,'")
        return f"{self.base_url}/{self.requested_mailbox_url_path}/{path}?{query}"

    def build_odata_context(self, contents: str) -> str:
        """Return the value of `@odata.context` for a response with these contents.

        contents: such as `Collection(message)` or `users/$entity`.
        """
        return f"{self.base_url}/$metadata#{contents}"

    def build_mailbox_odata_context(self, collection: str, *, is_entity: bool = False) -> str:
        """Return the value of `@odata.context` for a collection of the mailbox. The value is a URL
        that names the user and the selected properties, as in Graph's responses.

        collection: path of the collection below the mailbox, such as `mailFolders`.
        is_entity: whether the response contains one entity of the collection.
        """
        owner = self.requested_mailbox_url_path
        if owner == "me":
            owner = f"users('{self.mailbox.user_id}')"
        names = [name.strip() for name in (self.odata_query.get_option("select") or "").split(",")]
        selected = f"({','.join(names)})" if any(names) else ""
        entity = "/$entity" if is_entity else ""
        return self.build_odata_context(
            quote(f"{owner}/{collection}", safe="/()'") + f"{selected}{entity}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphResult:
    """The response of a handler to a GraphCall.

    messages_with_body_count, messages_without_body_count: numbers of messages in `json_body` with
        and without their bodies, from which the latency is computed.
    """

    status: int = 200
    json_body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    messages_with_body_count: int = 0
    messages_without_body_count: int = 0
