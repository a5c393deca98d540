"""`make bench`: the first sync of a mailbox of Microsoft Graph, beside the guide's way.

One run measures, on the simulated Graph with its limits and a latency model, and a real Postgres,

- Mailsync: the workflow with its functions in processes, four at a time;
- the guide's way: folders one after another, pages of 10, one INSERT per message, 100 ms pauses;
- the bound: the provider's time for the needed pages, over the four requests that it accepts.

The result is printed as a table and written to `build/bench.json`; plots are SVG files beside it.
"""

import argparse
import json
import logging
import os
import platform
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import product
from pathlib import Path
from typing import Any

import psutil
from moto.server import ThreadedMotoServer

from benchmarks.graph.guide import sync_as_guide
from benchmarks.graph.mail import MailboxShape
from benchmarks.graph.model import (
    GUIDE_PAGE_SIZE,
    REQUESTS_IN_FLIGHT,
    LatencyModel,
    bound_s,
    count_round_trips,
)
from benchmarks.graph.ours import Sync, Workflow, open_workflow
from benchmarks.graph.report import Row, format_simulator_share, format_table, write_plots
from benchmarks.graph.server import WARM_UP
from benchmarks.graph.simulator import NO_LATENCY, SimulatedGraph, open_simulator
from benchmarks.imap.__main__ import add_postgres_option
from localdev.engine.aws_resources import LOCAL_CREDENTIALS, make_aws_client
from localdev.engine.postgres import Postgres
from localdev.stack import FUNCTIONS_DATABASE_LOGIN_NAME
from mailsync.decisions.slices import MAX_MESSAGES_OF_UNSLICED_FOLDER
from mailsync.settings import Settings
from mailsync.store.migrate import apply_migrations
from tests.support.dovecot import readable_folder

Event = tuple[str, float, float]
OUT = Path("build/bench.json")
ALL = {"messages": [1_000, 10_000, 100_000], "folders": [12, 300]}
"""The whole table; some of its syncs take an hour."""


def main() -> int:
    options = _options()
    rows: list[Row] = []
    with readable_folder() as folder, _open_database(folder, options) as postgres, _kms() as kms:
        for messages, folders, spread in product(options.messages, options.folders, options.spread):
            shape = MailboxShape(messages, folders, spread == "skewed")
            for row in _measure(shape, options, postgres, kms):
                rows.append(row)
                print(format_table(rows[-1:]), flush=True)
    result = {"machine": _machine(options), "options": vars(options), "rows": rows}
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(result, indent=1, default=str) + "\n")
    write_plots(rows, options.plots)
    print(f"\n{result['machine']}\n{format_table(rows)}\n\n{format_simulator_share(rows)}")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__.partition("\n")[0])
    add, default = parser.add_argument, "default: %(default)s"
    add("--messages", type=int, nargs="+", default=[1_000], help=default)
    add("--folders", type=int, nargs="+", default=[12], help=f"folders with mail; {default}")
    add("--spread", nargs="+", choices=("even", "skewed"), default=["even", "skewed"], help=default)
    add("--full-ms", type=float, nargs="+", default=[1, 5, 27], help=f"per full message; {default}")
    shares = "time of a message without its body, as a part of a full one's"
    add("--ids-only", type=float, nargs="+", default=[0.1, 1.0], help=f"{shares}; {default}")
    pages = "pages after which the guide's way is estimated instead of measured"
    add("--guide-pages", type=int, default=200, help=f"{pages}; {default}")
    add("--plots", type=Path, default=OUT.parent, help=f"folder of the plots; {default}")
    add("--all", action="store_true", help="1,000 to 100,000 messages in 12 and in 300 folders")
    add_postgres_option(parser)
    options = parser.parse_args()
    if options.all:
        vars(options).update(ALL)
    return options


@contextmanager
def _open_database(folder: Path, options: argparse.Namespace) -> Iterator[Postgres]:
    with Postgres(folder / "postgres", programs=options.postgres) as postgres:
        apply_migrations(Settings({"DATABASE_URL": postgres.superuser_socket_url}))
        postgres.create_login_if_missing(FUNCTIONS_DATABASE_LOGIN_NAME, role="mailsync_writer")
        yield postgres


@contextmanager
def _kms() -> Iterator[dict[str, str]]:
    """Yield the settings with which functions reach a key of a simulated KMS."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # else a line for every request
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        url = "http://{}:{}".format(*server.get_host_and_port())
        key = make_aws_client("kms", url).create_key()["KeyMetadata"]["Arn"]
        yield {**LOCAL_CREDENTIALS, "AWS_ENDPOINT_URL": url, "TOKEN_KEY_ARN": key}
    finally:
        server.stop()


def _measure(
    shape: MailboxShape, options: argparse.Namespace, postgres: Postgres, kms: dict[str, str]
) -> Iterator[Row]:
    """Yield a row for each latency model. The functions run already, as after an earlier sync."""
    settings = {**kms, "DATABASE_URL": postgres.socket_url_for_login(FUNCTIONS_DATABASE_LOGIN_NAME)}
    with (
        tempfile.TemporaryDirectory() as data,
        open_simulator(Path(data) / "graph", shape) as graph,
        open_workflow(
            Path(data) / "logs", {**settings, **graph.settings}, postgres.superuser_socket_url
        ) as workflow,
    ):
        graph.begin(NO_LATENCY)
        workflow.sync(graph.warm_up, WARM_UP)
        for full_ms in options.full_ms:
            guide = _guide(
                shape, options, graph, postgres.superuser_socket_url, LatencyModel(full_ms)
            )
            for lean_share in options.ids_only:
                model = LatencyModel(full_ms, lean_share)
                yield {
                    "mailbox": shape.name,
                    "full_ms": full_ms,
                    "lean_share": lean_share,
                    "bound_s": bound_s(shape.counts(), model),
                    "newest_bound_s": model.page_s(shape.newest_count()),
                    "ours": _ours(shape, graph, workflow, model, postgres),
                    "guide": guide,
                    "load_average": os.getloadavg()[0],
                }


def _ours(
    shape: MailboxShape,
    graph: SimulatedGraph,
    workflow: Workflow,
    model: LatencyModel,
    postgres: Postgres,
) -> dict[str, Any]:
    cpu_before_s, database_before_s = workflow.cpu_s(), _cpu_s_by_pid(postgres.pid)
    graph.begin(model)
    sync = workflow.sync(graph.mailbox, shape)
    cpu_s, served = workflow.cpu_s() - cpu_before_s, graph.report()
    database_s = sum(
        used_s - database_before_s.get(pid, 0.0)
        for pid, used_s in _cpu_s_by_pid(postgres.pid).items()
    )
    wall_s = sync.ended_at - sync.began_at
    calls = [call for call in served["calls"] if call[1] >= sync.folders_began_at]
    newest_at = sync.newest_at
    return {
        "wall_s": wall_s,
        "share_of_bound": bound_s(shape.counts(), model) / wall_s,
        "newest_s": newest_at and newest_at - sync.folders_began_at,
        "newest_round_trips": newest_at
        and count_round_trips([call[1:] for call in calls], newest_at),
        "requests": served["requests"],
        "calls": len(calls),
        "max_in_flight": served["in_flight"],
        "mean_in_flight": served["request_s"] / wall_s,
        "throttled": served["throttled"],
        "failed_invocations": sync.failed,
        "cpu_ms_per_message": cpu_s / shape.messages * 1000,
        "cpu_ms_per_10_kb": cpu_s / served["bytes"] * 10_000_000,
        "postgres_cpu_ms_per_message": database_s / shape.messages * 1000,
        "bytes_per_message": served["bytes"] / shape.messages,
        "sync_folder_memory_mb": workflow.peak_memory_mb("sync-folder"),
        "simulator_cpu_share": served["cpu_s"] / wall_s,
        "simulator_late_share": _late_share(served, shape, model),
        "invocations": _timeline(sync.invocations, sync),
        "call_times": _timeline(calls, sync),
    }


def _cpu_s_by_pid(pid: int) -> dict[int, float]:
    """Return the CPU that a process and its present children have used, each by its id."""
    server = psutil.Process(pid)
    used_s: dict[int, float] = {}
    for process in (server, *server.children()):
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            used_s[process.pid] = times.user + times.system
    return used_s


def _late_share(served: dict[str, Any], shape: MailboxShape, model: LatencyModel) -> float:
    """Return by how much the requests took longer than the latency model says."""
    smallest = max(shape.messages / REQUESTS_IN_FLIGHT, MAX_MESSAGES_OF_UNSLICED_FOLDER)
    named = sum(count for count in shape.counts() if count > smallest)
    messages_ms = shape.messages * model.full_ms + named * model.lean_ms
    model_s: float = (served["requests"] * model.base_ms + messages_ms) / 1000
    request_s: float = served["request_s"]
    return max(0.0, request_s / model_s - 1)


def _timeline(events: Sequence[Event], sync: Sync) -> list[Event]:
    """Return invocations or calls with their times in seconds since the beginning of the sync."""
    return [
        (name, round(began - sync.began_at, 3), round(ended - sync.began_at, 3))
        for name, began, ended in events
    ]


def _guide(
    shape: MailboxShape,
    options: argparse.Namespace,
    graph: SimulatedGraph,
    database_url: str,
    model: LatencyModel,
) -> dict[str, Any]:
    graph.begin(model)
    sync = sync_as_guide(graph, database_url, shape, options.guide_pages)
    pages = sum(-(-count // GUIDE_PAGE_SIZE) for count in shape.counts())
    is_estimated = sync.messages < shape.messages
    left = pages - sync.pages if is_estimated else 0
    return {
        "wall_s": sync.wall_s + left * sync.page_s,
        "is_estimated": is_estimated,
        "newest_s": sync.newest_s,
        "pages": pages,
        "cpu_ms_per_message": sync.cpu_s / max(1, sync.messages) * 1000,
        "requests": graph.report()["requests"],
    }


def _machine(options: argparse.Namespace) -> str:
    database = f"Postgres of {options.postgres}" if options.postgres else "embedded Postgres"
    python = f"Python {platform.python_version()}"
    return f"{platform.machine()}, {os.cpu_count()} cores, {python}, {database}"


if __name__ == "__main__":
    sys.exit(main())
