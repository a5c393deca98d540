"""Run the simulated Graph with one mailbox for a benchmark: `python -m benchmarks.graph.server`.

Messages are read from SQLite once, at the start, so that a page costs little more than writing its
JSON. The first line on stdout names the URL, the tokens and the sizes. Each line on stdin is a
command, with one line as the response:

    {"latency": {...}}   set the latency of `Latency`, and begin with an unused quota
    {}                   report the calls since then, the CPU of this process, and the requests
"""

import argparse
import json
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from benchmarks.graph.mail import MailboxShape, make_items
from localdev.http_server import Request, Response
from localdev.simulators.behaviour import Latency
from localdev.simulators.entra.server import CLIENT_ID
from localdev.simulators.graph import server as graph_server
from localdev.simulators.graph.outlook import OutlookMailbox, OutlookMessage
from localdev.simulators.graph.throttle import MailboxThrottle
from localdev.simulators.mailbox import Mailbox
from localdev.simulators.message import Message, received_at_sort_key
from localdev.simulators.simulators import Simulators

ADDRESS, WARM_UP_ADDRESS = "ann@example.com", "warm-up@example.com"
WARM_UP = MailboxShape(messages=420, folders=4, is_skewed=False)
"""A mailbox whose first sync starts as many functions as one mailbox uses at a time."""
_TOKEN_LIFETIME = timedelta(days=30)
_READ_AT_A_TIME = 500
_messages: dict[int, Message] = {}
_outlook_messages: dict[int, OutlookMessage] = {}


class ReadOnlyMailbox(Mailbox):
    """A mailbox that does not change, whose messages are in memory."""

    def list_messages_in_folders(
        self,
        *folders: int | str,
        older_than: tuple[str, int] | None = None,
        since: str = "",
        skip: int = 0,
        limit: int = -1,
    ) -> list[Message]:
        if len(folders) != 1:
            return super().list_messages_in_folders(
                *folders, older_than=older_than, since=since, skip=skip, limit=limit
            )
        rows = self.database.fetch_rows(
            "SELECT message FROM placement WHERE folder = ? AND (received_at, message) < (?, ?)"
            " AND received_at >= ? ORDER BY received_at DESC, message DESC LIMIT ? OFFSET ?",
            *(
                self.folders.find_folder(folders[0]).number,
                *(older_than or ("99999", 0)),
                since,
                limit,
                skip,
            ),
        )
        return [_messages[row["message"]] for row in rows]


class ReadOnlyOutlookMailbox(OutlookMailbox):
    def convert_to_outlook_messages(self, messages: Any) -> list[OutlookMessage]:
        return [_outlook_messages[message.message_number] for message in messages]


class BenchmarkServer:
    """The simulators with the mailbox, and what they have served since the last command."""

    def __init__(self, data: Path, shape: MailboxShape) -> None:
        self.simulators = Simulators(data)
        self.mailboxes = [self._fill(ADDRESS, shape), self._fill(WARM_UP_ADDRESS, WARM_UP)]
        service = self.simulators.service
        found = {mailbox.user_id: mailbox for mailbox in self.mailboxes}
        service.find_mailbox = found.__getitem__  # type: ignore[method-assign, assignment]
        graph_server.OutlookMailbox = ReadOnlyOutlookMailbox  # type: ignore[attr-defined]
        self._calls: list[tuple[str, float, float]] = []
        self._serve = self.simulators.graph
        self.simulators._graph_server.application = self._timed
        self._cpu_s, self._bytes = 0.0, 0

    def ready(self) -> dict[str, Any]:
        simulators = self.simulators
        seconds = int(_TOKEN_LIFETIME.total_seconds())
        return {
            "graphUrl": simulators.graph_url,
            "authority": simulators.entra_authority_url,
            "clientId": CLIENT_ID,
            "clientSecret": simulators.client_secret,
            "caBundle": str(simulators.ca_bundle),
            "mailboxes": [
                {
                    "address": mailbox.address,
                    "userId": mailbox.user_id,
                    "token": simulators.issue_microsoft_access_token(mailbox, lifetime_s=seconds),
                }
                for mailbox in self.mailboxes
            ],
        }

    def run_command(self, command: dict[str, Any]) -> dict[str, Any]:
        if "latency" in command:
            self.simulators.service.latency = Latency(**command["latency"])
            self.simulators.graph.throttle = MailboxThrottle()
            self.simulators.service.log.clear()
            self._calls, self._bytes, self._cpu_s = [], 0, time.process_time()
            return {}
        records = self.simulators.service.log.records()
        return {
            "calls": self._calls,
            "bytes": self._bytes,
            "cpu_s": time.process_time() - self._cpu_s,
            "requests": len(records),
            "request_s": sum(record.duration_s for record in records),
            "in_flight": max((record.in_flight + 1 for record in records), default=0),
            "throttled": sum(record.status == 429 for record in records),
            "failed": sum(record.status >= 400 for record in records),
        }

    def _timed(self, request: Request) -> Response:
        began = time.time()
        response = self._serve(request)
        # Without the ids, and as many items as the batch has.
        kind = re.sub(r"/[^/]{40,}", "/ID", request.path.removeprefix("/v1.0"))
        items = request.body.count(b'"url"')
        self._calls.append((f"{kind} x {items}" if items else kind, began, time.time()))
        self._bytes += len(response.body)
        return response

    def _fill(self, address: str, shape: MailboxShape) -> Mailbox:
        stored = self.simulators.find_or_create_mailbox(address)
        stored.import_mail_items(make_items(shape))
        outlook = OutlookMailbox(stored)
        bodies: dict[str, str] = {}
        for found in _pages(stored):
            for message, item in zip(
                outlook.convert_to_outlook_messages(found), found, strict=True
            ):
                # Messages share the texts of their bodies, or 100,000 would fill the memory.
                body = bodies.setdefault(message.body, message.body)
                _outlook_messages[message.message_number] = replace(message, body=body)
                _messages[item.message_number] = replace(
                    item, mail_item=replace(item.mail_item, body="")
                )
        return ReadOnlyMailbox(stored.database, stored.user_id)


def _pages(mailbox: Mailbox) -> Iterator[list[Message]]:
    """Yield all messages of a mailbox, some at a time."""
    for folder in mailbox.folders.list_all_folders():
        older_than: tuple[str, int] | None = None
        while found := mailbox.list_messages_in_folders(
            folder.number, older_than=older_than, limit=_READ_AT_A_TIME
        ):
            yield found
            older_than = received_at_sort_key(found[-1])


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.graph.server")
    parser.add_argument("data", type=Path)
    parser.add_argument("--messages", type=int, required=True)
    parser.add_argument("--folders", type=int, required=True)
    parser.add_argument("--skewed", action="store_true")
    options = parser.parse_args()
    shape = MailboxShape(options.messages, options.folders, options.skewed)
    server = BenchmarkServer(options.data, shape)
    with server.simulators:
        print(json.dumps(server.ready()), flush=True)
        for line in sys.stdin:
            print(json.dumps(server.run_command(json.loads(line))), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
