"""`python -m benchmarks.graph.cpu`: CPU from response bytes to committed rows, as a folder grows.

The functions of a first sync run in this process, on a real Postgres, which is another process. The
first page of a folder comes from the simulated Microsoft Graph, and each further page is that page
with other message ids. Only the CPU of this process counts, so a busy machine makes the run longer
and changes the result little.
"""

import argparse
import json
import logging
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from benchmarks.cold_start.aws import MACHINE_ARN, TOKEN_KEY_ARN, AwsAnswers, open_aws
from benchmarks.graph.mail import MailboxShape
from benchmarks.graph.ours import open_workflow
from benchmarks.graph.simulator import NO_LATENCY, open_simulator
from benchmarks.imap.__main__ import add_postgres_option
from localdev.engine.postgres import Postgres
from localdev.stack import FUNCTIONS_DATABASE_LOGIN_NAME
from mailsync.model import AccessToken
from mailsync.providers.graph import connection
from mailsync.providers.graph.errors import GraphResponse
from mailsync.providers.graph.responses import to_graph_response
from mailsync.settings import Settings
from mailsync.store.mail_store import MailStore
from mailsync.store.migrate import apply_migrations
from tests.support.dovecot import readable_folder
from tests.support.functions import lambda_context

OUT = Path("build/bench-cpu.json")
MESSAGES_PER_PAGE = 100
_NUMBER = "@number@"


def main() -> int:
    options = _options()
    with readable_folder() as folder, _open_parts(folder, options) as account_id:
        print(f"{'messages':>10}{'KB each':>9}{'CPU ms each':>13}{'per 10 KB':>11}")
        RepeatedPages(options.messages // MESSAGES_PER_PAGE).install()
        parts = _Parts(options.part)
        _sync(account_id, parts)
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(parts.found, indent=1) + "\n")
    first, last = (parts.found[at]["cpu_ms_per_10_kb"] for at in (0, -1))
    print(f"The last part needs {last / first:.2f} times the CPU of the first.")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.graph.cpu", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--messages", type=int, default=100_000, help="default: %(default)s")
    parser.add_argument("--part", type=int, default=10_000, help="messages per line of the table")
    add_postgres_option(parser)
    return parser.parse_args()


@contextmanager
def _open_parts(folder: Path, options: argparse.Namespace) -> Iterator[str]:
    """Run database, KMS and Graph for the `with` block, and yield the id of the account."""
    shape = MailboxShape(2 * MESSAGES_PER_PAGE, folders=1, is_skewed=False)
    with (
        Postgres(folder / "postgres", programs=options.postgres) as postgres,
        open_aws(folder, AwsAnswers({})) as (_, aws),
        open_simulator(folder / "graph", shape) as graph,
    ):
        apply_migrations(Settings({"DATABASE_URL": postgres.superuser_socket_url}))
        postgres.create_login_if_missing(FUNCTIONS_DATABASE_LOGIN_NAME, role="mailsync_writer")
        database_url = postgres.socket_url_for_login(FUNCTIONS_DATABASE_LOGIN_NAME)
        arns = {"TOKEN_KEY_ARN": TOKEN_KEY_ARN, "MAILBOX_SYNC_ARN": MACHINE_ARN}
        os.environ.update({**aws, **arns, **graph.settings, "DATABASE_URL": database_url})
        os.environ["POWERTOOLS_METRICS_DISABLED"] = "true"
        graph.begin(NO_LATENCY)
        with open_workflow(
            folder / "logs", dict(os.environ), postgres.superuser_socket_url
        ) as workflow:
            account_id = workflow.connect_account(graph.mailbox)
        yield account_id


class RepeatedPages:
    """Makes pages of a folder from its first one.

    pages: number of pages after which the folder ends.
    """

    def __init__(self, pages: int) -> None:
        self._pages = pages
        self._texts: list[bytes] = []
        self._read = connection.read_body_or_none_if_too_large  # type: ignore[attr-defined]

    def install(self) -> None:
        """Have the client of Microsoft Graph receive these pages."""
        connection.read_body_or_none_if_too_large = self._receive  # type: ignore[attr-defined]
        exchange = connection.GraphConnection._exchange

        def repeated(
            client: connection.GraphConnection, access: AccessToken, request: Any
        ) -> tuple[GraphResponse, int]:
            _, _, number = request.path.partition("repeated=")
            if not number:
                return exchange(client, access, request)
            content = self._page(int(number))
            return to_graph_response(200, {}, content), len(content)

        connection.GraphConnection._exchange = repeated  # type: ignore[method-assign, assignment]

    def _receive(self, *args: Any, **named: Any) -> bytearray | None:
        content = self._read(*args, **named)
        if content and b'"bodyPreview"' in content and not self._texts:
            page = orjson.loads(content)
            if len(page.get("value", ())) < MESSAGES_PER_PAGE:
                return content
            link = f"{os.environ['GRAPH_URL']}/me/messages/delta?repeated={_NUMBER}"
            page.pop("@odata.nextLink", None)  # so that it is the last member
            page["@odata.nextLink"] = link
            for item in page["value"]:
                item["id"] += _NUMBER
            self._texts = orjson.dumps(page).split(_NUMBER.encode())
            content = self._page(1)
        return content

    def _page(self, number: int) -> bytearray:
        """Return the page with this number; the last part of the text holds the link."""
        page = f"{number:06}".encode()
        *items, link, end = self._texts
        if not link.endswith(b"repeated="):
            raise AssertionError("the link is not the last member of the page")
        if number >= self._pages:
            link = link.replace(b"@odata.nextLink", b"@odata.deltaLink")
        return bytearray(page.join([*items, link]) + f"{number + 1:06}".encode() + end)


class _Parts:
    """Collects the CPU of each part of the messages, and prints it.

    size: number of messages of a part.
    """

    def __init__(self, size: int) -> None:
        self.found: list[dict[str, float]] = []
        self._size = size
        self._sums = (0, 0)
        self._begin: tuple[int, int, float] | None = None

    def add(self, sizes: list[int]) -> None:
        """Add a page whose messages have bodies of these sizes."""
        self._sums = (self._sums[0] + len(sizes), self._sums[1] + sum(sizes))
        point = (*self._sums, time.process_time())
        if self._begin is None:  # the first page imports modules
            self._begin = point
        messages, size, cpu_s = (
            after - before for before, after in zip(self._begin, point, strict=True)
        )
        if messages < self._size:
            return
        part = {
            "messages": point[0],
            "kb": size / messages / 1000,
            "cpu_ms": cpu_s / messages * 1000,
            "cpu_ms_per_10_kb": cpu_s / size * 10_000_000,
        }
        print(
            "{messages:>10,}{kb:>9.1f}{cpu_ms:>13.3f}{cpu_ms_per_10_kb:>11.3f}".format(**part),
            flush=True,
        )
        self.found.append(part)
        self._begin = point


def _sync(account_id: str, parts: _Parts) -> None:
    """Sync the mailbox for the first time."""
    from handlers import mark_syncing, sync_folder, sync_folders

    logging.getLogger("mailsync").setLevel(logging.WARNING)
    write_page = MailStore.write_page

    def write(store: MailStore, run: Any, write: Any) -> Any:
        counts = write_page(store, run, write)
        parts.add(
            [
                len(each.body_html or each.body_text or "")
                for each in write.planned_message_writes.upserts
            ]
        )
        return counts

    MailStore.write_page = write  # type: ignore[method-assign, assignment]
    asked = {"accountId": account_id, "syncType": "initial", "trigger": "benchmark"}
    run = {"runId": "cpu", "executionArn": f"{MACHINE_ARN}:cpu"}
    lease = mark_syncing.handler({**run, "input": asked}, lambda_context())
    state = {"accountId": account_id, "runId": lease["runId"], "leaseEpoch": lease["epoch"]}
    items = sync_folders.handler(state, lambda_context())["items"]
    for item in items:
        page = {"feeds": item["feeds"], "hasMore": True, "resets": 0}
        while page["hasMore"]:
            page = sync_folder.handler({**state, **page, "atOnce": 4}, lambda_context())


if __name__ == "__main__":
    sys.exit(main())
