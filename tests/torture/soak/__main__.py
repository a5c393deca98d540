"""The soak from the command line: many mailboxes that change all the time, for long.

Exit code 1 when a mirror differs from its mailbox at the end, or a process's memory grows.
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pg8000.native

from localdev.demo_account import connect
from localdev.engine.simulator_process import IMAP_HOST
from localdev.options import Options
from localdev.simulators import SimulatedImapServerSettings, Simulators
from localdev.simulators.entra.server import CLIENT_ID, CLIENT_SECRET
from localdev.simulators.imap.options import ImapOptions
from localdev.simulators.mailbox import Mailbox
from localdev.stack import Stack
from mailsync.settings import Settings
from mailsync.store.connection import connect as connect_database
from tests.support.comparison import divergences
from tests.support.imap_form import ImapForm
from tests.torture.changes import fill
from tests.torture.soak.background import background
from tests.torture.soak.memory import Sampler, growing, thirds
from tests.torture.soak.traffic import Traffic, faults

TICK_S = 12
SAMPLED_EVERY_S = 5
QUIET_LIMIT_S = 900
PROGRESS_S = 30
SHOWN = 10
STATE = """
SELECT count(*) FILTER (WHERE sync_status = 'completed' AND lease_owner IS NULL
                          AND next_sync_at > now()
                          AND last_sync_at > cast(:since AS timestamptz)),
       count(*)
  FROM mailsync.email_accounts"""
RUNS = """
SELECT status, coalesce(error, ''), count(*) FROM mailsync.sync_runs GROUP BY 1, 2 ORDER BY 1, 2"""
EXECUTIONS = "SELECT count(*) FROM mailsync.sync_runs WHERE execution_arn IS NOT NULL"
DUE = """
UPDATE mailsync.email_accounts SET next_sync_at = now() WHERE status = 'active' RETURNING now()"""


@dataclass
class Soak:
    """What was done and what came of it."""

    changes: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    faults: int = 0
    messages: int = 0
    runs: list[list[object]] = field(default_factory=list)
    executions: int = 0
    wrong: list[str] = field(default_factory=list)
    memory: dict[str, list[float]] = field(default_factory=dict)

    @property
    def growing(self) -> list[str]:
        return growing(self.memory)


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        soak = _soak(Path(folder), options)
    print(*_report(soak, options), sep="\n")
    return 1 if soak.wrong or soak.growing else 0


def _soak(folder: Path, options: argparse.Namespace) -> Soak:
    soak = Soak()
    ports = SimulatedImapServerSettings() if options.provider == "imap" else None
    with (
        Simulators(folder / "simulators", imap_ports=ports) as simulators,
        _running(folder, simulators) as stack,
    ):
        mailboxes = _connected(stack, simulators, options.accounts)
        rules = faults(options.faults, options.provider)
        simulators.service.faults.add_rules(*rules)
        memory = Sampler()
        traffic = Traffic(list(mailboxes.values()), options.seed, options.provider)
        with (
            background(traffic.change, every_s=1 / options.rate),
            background(memory.sample, every_s=SAMPLED_EVERY_S),
        ):
            _wait(options.minutes * 60, stack, traffic, simulators)
        soak.changes, soak.memory = traffic.done, dict(memory.largest)
        soak.requests, soak.faults = (
            rules[0].matched_count,
            sum(each.injected_count for each in rules),
        )
        simulators.service.faults.remove_all_rules()
        with _opened(stack) as tables:
            _settle(tables)  # may count a sync that read the mailbox before its last changes
            _settle(tables)
            for account_id, mailbox in mailboxes.items():
                form = ImapForm(mailbox, ImapOptions()) if simulators.imap else None
                found = divergences(tables, account_id, mailbox, form)
                soak.wrong += (f"{mailbox.address}: {each}" for each in found)
            soak.runs = tables.run(RUNS)
            soak.executions = tables.run(EXECUTIONS)[0][0]
            soak.messages = tables.run("SELECT count(*) FROM mailsync.emails")[0][0]
    return soak


@contextmanager
def _running(folder: Path, simulators: Simulators) -> Iterator[Stack]:
    options = Options(
        data=folder / "stack",
        api_port=0,
        aws_port=0,
        dashboard_port=0,
        graph_url=simulators.graph_url,
        authority=simulators.entra_authority_url,
        environment={
            "MICROSOFT_CLIENT_ID": CLIENT_ID,
            "MICROSOFT_CLIENT_SECRET": CLIENT_SECRET,
            "CA_BUNDLE": str(simulators.ca_bundle),
            "API_LIMITS": "connect=100000",  # one user connects all mailboxes
            "IMAP_SERVERS": f"{IMAP_HOST}:{simulators.imap.tls_port}" if simulators.imap else "",
        },
        time_scale=TICK_S / 60,
    )
    with Stack(options) as stack:
        yield stack


def _connected(stack: Stack, simulators: Simulators, number: int) -> dict[str, Mailbox]:
    """Each mailbox by the id of its account, once its first sync is done."""
    connected: dict[str, Mailbox] = {}
    provider, imap = stack.provider, simulators.imap
    if imap:
        provider = replace(provider, imap_port=imap.tls_port, imap_password=imap.password)
    for each in range(number):
        mailbox = simulators.find_or_create_mailbox(f"soak-{each}@example.org")
        fill(mailbox)
        account = connect(stack.api_url, provider, stack.token(), mailbox.address)
        while account.status()["runId"]:
            time.sleep(0.1)
        connected[account.id] = mailbox
        if not (each + 1) % 20:
            print(f"  {each + 1} of {number} mailboxes are connected and mirrored", flush=True)
    return connected


def _forget(simulators: Simulators) -> None:
    """Drop what the simulators remember of requests: it would look like a leak."""
    simulators.service.log.clear()
    if simulators.imap:
        simulators.imap.commands.clear()


def _make_due(stack: Stack) -> None:
    """Let all mailboxes be checked now, because nothing notifies Mailsync of mail over IMAP."""
    with _opened(stack) as tables:
        tables.run(DUE)


def _wait(seconds: float, stack: Stack, traffic: Traffic, simulators: Simulators) -> None:
    """Report the progress, again and again."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        time.sleep(min(left, PROGRESS_S))
        _forget(simulators)
        if simulators.imap:
            _make_due(stack)
        with _opened(stack) as tables:
            overdue = tables.run(
                "SELECT coalesce(extract(epoch FROM max(now() - next_sync_at)), 0)::int"
                " FROM mailsync.email_accounts WHERE next_sync_at < now()"
            )[0][0]
        print(
            f"  {max(0, until - time.monotonic()) / 60:.1f} minutes are left;"
            f" {traffic.done.total()} changes; the oldest overdue mailbox waits {overdue} s",
            flush=True,
        )


def _settle(tables: pg8000.native.Connection) -> None:
    """Until every mailbox was synced once more, now that nothing changes and nothing fails."""
    since = max(each for (each,) in tables.run(DUE))
    deadline = time.monotonic() + QUIET_LIMIT_S
    done, accounts = 0, 1
    while done < accounts:
        if time.monotonic() > deadline:
            raise SystemExit(f"Only {done} of {accounts} mailboxes came to rest.")
        time.sleep(1)
        done, accounts = tables.run(STATE, since=since)[0]


@contextmanager
def _opened(stack: Stack) -> Iterator[pg8000.native.Connection]:
    with closing(connect_database(Settings({"DATABASE_URL": stack.database_url}))) as connection:
        yield connection


def _report(soak: Soak, options: argparse.Namespace) -> Iterator[str]:
    """As Markdown; docs/soak.md is such a report."""
    command = ".venv/bin/python -m tests.torture.soak"
    provider = "" if options.provider == "graph" else f" --provider {options.provider}"
    yield f"`{command} --accounts {options.accounts} --minutes {options.minutes:g}{provider}`"
    yield ""
    yield f"- mailboxes: {options.accounts}, {soak.messages:,} messages at the end"
    yield f"- changes: {soak.changes.total():,} of {len(soak.changes)} kinds"
    yield f"- requests to the provider: {soak.requests:,}; {soak.faults:,} failed on purpose"
    yield f"- runs that left a record: {sum(int(str(each[-1])) for each in soak.runs):,},"
    yield f"  of which {soak.executions:,} had an execution of their own"
    for status, error, number in soak.runs:
        yield f"  - {status}{f' ({error})' if error else ''}: {number:,}"
    yield f"- **differences between mailboxes and tables at the end: {len(soak.wrong)}**"
    yield from (f"  - {each}" for each in soak.wrong[:SHOWN])
    yield ""
    yield "| process | MiB in the first third | in the middle | in the last |"
    yield "| --- | ---: | ---: | ---: |"
    for name, samples in sorted(soak.memory.items()):
        first, middle, last = thirds(samples)
        yield f"| {name} | {first:.0f} | {middle:.0f} | {last:.0f} |"
    grown = ", ".join(soak.growing)
    yield ""
    yield f"Memory that grows: {grown or 'none'}."


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.torture.soak", description=__doc__)
    add = parser.add_argument
    add("--accounts", type=int, default=200, help="default: %(default)s")
    add("--minutes", type=float, default=30, help="default: %(default)s")
    add("--provider", choices=("graph", "imap"), default="graph", help="default: %(default)s")
    add("--rate", type=float, default=2, help="changes per second, default: %(default)s")
    add("--faults", type=float, default=0.05, help="share of requests, default: %(default)s")
    add("--seed", type=int, default=1, help="of the changes, default: %(default)s")
    return parser


if __name__ == "__main__":
    sys.exit(main())
