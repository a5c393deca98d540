"""`python -m benchmarks.graph.cpu`: CPU from response bytes to committed rows, as a folder grows.

The functions of a first sync run in this process, on the simulated Microsoft Graph and a real
Postgres, which are other processes. Only the CPU of this process counts, so a busy machine makes
the run longer and changes the result little.
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

from benchmarks.cold_start.aws import MACHINE_ARN, TOKEN_KEY_ARN, AwsAnswers, open_aws
from benchmarks.graph.mail import MailboxShape
from benchmarks.graph.ours import open_workflow
from benchmarks.graph.simulator import NO_LATENCY, open_simulator
from benchmarks.imap.__main__ import add_postgres_option
from localdev.engine.postgres import Postgres
from localdev.stack import FUNCTIONS_DATABASE_LOGIN
from mailsync.settings import Settings
from mailsync.store.mail_store import MailStore
from mailsync.store.migrate import migrate
from tests.support.dovecot import readable_folder
from tests.support.functions import lambda_context

OUT = Path("build/bench-cpu.json")
Point = tuple[int, int, float]
"""Messages and bytes so far, and the CPU in seconds."""


def main() -> int:
    options = _options()
    with readable_folder() as folder, _open_parts(folder, options) as account_id:
        points = _measure(account_id)
    parts = list(_parts(points, options.part))
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(parts, indent=1) + "\n")
    print(f"{'messages':>10}{'KB each':>9}{'CPU ms each':>13}{'per 10 KB':>11}")
    for part in parts:
        print("{messages:>10,}{kb:>9.1f}{cpu_ms:>13.3f}{cpu_ms_per_10_kb:>11.3f}".format(**part))
    first, last = (parts[at]["cpu_ms_per_10_kb"] for at in (0, -1))
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
    shape = MailboxShape(options.messages, folders=1, is_skewed=False)
    with (
        Postgres(folder / "postgres", programs=options.postgres) as postgres,
        open_aws(folder, AwsAnswers({})) as (_, aws),
        open_simulator(folder / "graph", shape) as graph,
    ):
        migrate(Settings({"DATABASE_URL": postgres.url}))
        postgres.create_login_if_missing(FUNCTIONS_DATABASE_LOGIN, role="mailsync_writer")
        database_url = postgres.url_for_login(FUNCTIONS_DATABASE_LOGIN)
        arns = {"TOKEN_KEY_ARN": TOKEN_KEY_ARN, "MAILBOX_SYNC_ARN": MACHINE_ARN}
        os.environ.update({**aws, **arns, **graph.settings, "DATABASE_URL": database_url})
        os.environ["POWERTOOLS_METRICS_DISABLED"] = "true"
        graph.begin(NO_LATENCY)
        with open_workflow(folder / "logs", dict(os.environ), postgres.url) as workflow:
            account_id = workflow.connect_account(graph.mailbox)
        yield account_id


def _measure(account_id: str) -> list[Point]:
    """Sync the mailbox, and return a point for the beginning and for each page."""
    from handlers import mark_syncing, sync_folder, sync_folders

    logging.getLogger("mailsync").setLevel(logging.WARNING)
    points: list[Point] = []
    write_page = MailStore.write_page

    def write(store: MailStore, run: Any, write: Any) -> Any:
        counts = write_page(store, run, write)
        messages, size, _ = points[-1]
        sizes = [len(each.body_html or each.body_text or "") for each in write.plan.upserts]
        points.append((messages + len(sizes), size + sum(sizes), time.process_time()))
        return counts

    MailStore.write_page = write  # type: ignore[method-assign]
    asked = {"accountId": account_id, "syncType": "initial", "trigger": "benchmark"}
    run = {"runId": "cpu", "executionArn": f"{MACHINE_ARN}:cpu"}
    lease = mark_syncing.handler({**run, "input": asked}, lambda_context())
    state = {"accountId": account_id, "runId": lease["runId"], "leaseEpoch": lease["epoch"]}
    points.append((0, 0, time.process_time()))
    items = sync_folders.handler(state, lambda_context())["items"]
    for item in items:
        page = {"feeds": item["feeds"], "hasMore": True, "resets": 0}
        while page["hasMore"]:
            page = sync_folder.handler({**state, **page, "atOnce": 4}, lambda_context())
    return points


def _parts(points: list[Point], part: int) -> Iterator[dict[str, float]]:
    """Yield the CPU of each part of the messages."""
    begin = points[1]  # the first page imports modules
    for point in points[2:]:
        messages, size, cpu_s = (after - before for before, after in zip(begin, point, strict=True))
        if messages >= part:
            yield {
                "messages": point[0],
                "kb": size / messages / 1000,
                "cpu_ms": cpu_s / messages * 1000,
                "cpu_ms_per_10_kb": cpu_s / size * 10_000_000,
            }
            begin = point


if __name__ == "__main__":
    sys.exit(main())
