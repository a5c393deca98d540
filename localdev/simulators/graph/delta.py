"""Serve delta rounds: the first round lists everything that exists, each later round the changes
since the round before.

Changes that happen during the first listing are reported in the next round, so no change is lost.
Source: Microsoft Graph docs, delta-query-messages.
"""

from dataclasses import replace
from typing import Any, Protocol

from localdev.simulators.graph.call import GraphCall, GraphResult
from localdev.simulators.graph.links import DeltaCursor
from localdev.simulators.graph.query import DEFAULT_PAGE_SIZE, ODataQuery

LastReportedItemSortKey = tuple[str | int, ...]
# A page: its objects, the sort key of its last object, and whether another page follows.
DeltaItemsPage = tuple[list[dict[str, Any]], LastReportedItemSortKey | None, bool]


class DeltaFeed(Protocol):
    """Interface of what a delta query reads: one folder's messages, or one mailbox's folders.

    folder_or_user_id: id of the folder, or id of the mailbox's user.
    delta_path: path of the delta query below the mailbox.
    """

    folder_or_user_id: str
    delta_path: str

    def list_existing_items(
        self, position: LastReportedItemSortKey | None, size: int
    ) -> DeltaItemsPage: ...
    def list_changes(
        self, since: int, until: int, position: LastReportedItemSortKey | None, size: int
    ) -> DeltaItemsPage: ...


def read_or_create_delta_cursor(call: GraphCall, owner_id: str, folder: int | None) -> DeltaCursor:
    """Return the cursor of a request. Read it from the request's delta link, or start a new chain
    of links if the request has no link.

    owner_id: id of the folder whose messages the feed reports, or id of the user whose folders it
        reports.
    folder: number of the folder whose messages the feed reports. None: the feed reports folders.

    Raises GraphError 410 for a link that has expired, 400 for a link that was never issued.
    """
    journal = call.mailbox.simulated_mailbox.journal
    token = call.odata_query.get_option("deltatoken") or call.odata_query.get_option("skiptoken")
    # Graph documents `latest` as "from now on". For Outlook, `latest` also lists everything.
    if token is None or token == "latest":
        options = {
            k: v
            for k, v in call.odata_query.option_value_by_name.items()
            if not k.endswith("token")
        }
        return call.delta_link_issuer.create_first_delta_cursor(
            owner_id, options, journal.newest_global_change_number
        )
    return call.delta_link_issuer.open_delta_token(
        token,
        owner_id,
        call.behaviour_switches,
        has_expired=lambda issued: journal.has_position_expired(issued, folder),
    )


def serve_delta_page(call: GraphCall, feed: DeltaFeed, cursor: DeltaCursor) -> GraphResult:
    """Return one page of a delta round. The page has a `nextLink` if another page follows, or the
    `deltaLink` of the next round."""
    newest = call.mailbox.simulated_mailbox.journal.newest_global_change_number
    until = cursor.up_to_change_number
    size = min(
        call.prefer_header.page_size or DEFAULT_PAGE_SIZE, call.behaviour_switches.largest_page
    )
    if cursor.is_in_first_listing:
        value, position, more = feed.list_existing_items(cursor.last_reported_item_sort_key, size)
    else:
        until = newest if until is None else until
        since = cursor.after_change_number
        if cursor.last_reported_item_sort_key is None:
            since = max(0, since - call.behaviour_switches.replayed_changes)
        value, position, more = feed.list_changes(
            since, until, cursor.last_reported_item_sort_key, size
        )
    following = replace(
        cursor,
        up_to_change_number=until,
        last_reported_item_sort_key=position,
        issued_at_change_number=newest,
    )
    if not more:
        since = cursor.after_change_number if cursor.is_in_first_listing else (until or 0)
        following = replace(
            following,
            is_in_first_listing=False,
            after_change_number=since,
            up_to_change_number=None,
            last_reported_item_sort_key=None,
        )
    name, kind = ("skiptoken", "nextLink") if more else ("deltatoken", "deltaLink")
    link = call.build_mailbox_url(
        feed.delta_path, {name: call.delta_link_issuer.seal_delta_cursor(following)}
    )
    return GraphResult(json_body={f"@odata.{kind}": link, "value": value})


def get_query_of_chain_start(cursor: DeltaCursor) -> ODataQuery:
    """Return the query options of the request that started the chain of delta links.

    Options of later requests are ignored.
    """
    return ODataQuery(cursor.first_request_query_options)
