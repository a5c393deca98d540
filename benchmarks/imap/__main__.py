"""`make bench PROVIDER=imap`: the first sync of a mailbox on a real IMAP server, beside `mbsync`.

One run measures, on one Dovecot with TLS and one mailbox, at each round-trip time and in an order
that alternates,

- Mailsync: the real workflow's code, with parsing and a real Postgres;
- `mbsync` (isync) into a Maildir on the same disk;
- the bound: one connection that receives all messages and discards them.

The result is printed as a table and written to `build/bench-imap.json`.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.imap.mail import write_maildir
from benchmarks.imap.rivals import mbsync, receive_only
from localdev.engine.postgres import Postgres
from localdev.reserved_port import reserve_port
from localdev.stack import FUNCTIONS_DATABASE_LOGIN_NAME
from mailsync.settings import Settings
from mailsync.store.connection import connect
from mailsync.store.migrate import apply_migrations
from tests.support.dovecot import Dovecot, dovecot, readable_folder

OUT = Path("build/bench-imap.json")
NEEDED = {"dovecot": "dovecot-imapd", "mbsync": "isync"}
Measurement = dict[str, Any]


def main() -> int:
    options = _options()
    for program, package in NEEDED.items():
        if not shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin"):
            print(f"{program} is missing. On Debian: apt-get install -y {package}")
            return 1
    found: dict[str, dict[str, list[Measurement]]] = {}
    with readable_folder() as folder, open_servers(folder, options) as (server, postgres, total):
        for round_trip_ms in options.rtt:
            with _link(server.port, round_trip_ms) as port:
                found[f"{round_trip_ms:g}"] = _measure(options, server, postgres, folder, port)
    result = {
        "machine": _machine(options.postgres),
        "options": vars(options),
        "mail_bytes": total,
        "by_rtt_ms": found,
    }
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(result, indent=1, default=str) + "\n")
    _print(result)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make bench PROVIDER=imap", description=__doc__.partition("\n")[0]
    )
    add, default = parser.add_argument, "default: %(default)s"
    add("--messages", type=int, default=10_000, help=default)
    add("--folders", type=int, default=5, help=f"folders beside the inbox; {default}")
    add("--inbox", type=float, default=0.7, help=f"share of the messages in the inbox; {default}")
    add(
        "--rtt",
        type=float,
        nargs="+",
        default=[0.0, 50.0],
        help=f"round-trip times in ms; {default}",
    )
    add("--repeat", type=int, default=1, help=f"measurements of each kind; {default}")
    add(
        "--no-fsync",
        dest="fsync",
        action="store_false",
        help="mbsync: FSync no; default: yes, as mbsync's own",
    )
    add(
        "--depth",
        type=int,
        default=0,
        help="mbsync: PipelineDepth; default: unlimited, as mbsync's own",
    )
    add_postgres_option(parser)
    return parser.parse_args()


def add_postgres_option(parser: argparse.ArgumentParser) -> None:
    """Let the caller choose the Postgres: Debian's has lz4, as RDS and Supabase have, and the
    embedded one has not."""
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    parser.add_argument(
        "--postgres",
        type=Path,
        default=installed[-1].parent if installed else None,
        help="folder of Postgres' programs; default: Debian's if there, else the embedded ones",
    )


@contextmanager
def open_servers(
    folder: Path, options: argparse.Namespace
) -> Iterator[tuple[Dovecot, Postgres, int]]:
    """Start a mail server with the mailbox and an empty database; yield both, and the bytes of the
    mail."""
    database = Postgres(folder / "postgres", programs=options.postgres)
    with dovecot(folder / "d") as server, database as postgres:
        apply_migrations(Settings({"DATABASE_URL": postgres.superuser_socket_url}))
        postgres.create_login_if_missing(FUNCTIONS_DATABASE_LOGIN_NAME, role="mailsync_writer")
        yield server, postgres, _fill_mailbox(server, options)


def _fill_mailbox(server: Dovecot, options: argparse.Namespace) -> int:
    """Write the mailbox, and let the server index it, so that no measurement pays for it."""
    maildir = server.data / "mail" / "ann"
    total = write_maildir(maildir, options.messages, options.inbox, options.folders)
    owner = (server.data / "mail").stat()
    for path in (maildir, *maildir.rglob("*")):
        os.chown(path, owner.st_uid, owner.st_gid)
    receive_only(server.port, server.certificate, options.folders)
    return total


@contextmanager
def _link(target: int, round_trip_ms: float) -> Iterator[int]:
    """Yield a port that leads to the server over a link with this round-trip time."""
    if not round_trip_ms:
        yield target
        return
    command = [sys.executable, "-m", "benchmarks.imap.delay_proxy"]
    with reserve_port() as port:
        numbers = [str(port), str(target), str(round_trip_ms)]
        with subprocess.Popen([*command, *numbers], stdout=subprocess.PIPE) as proxy:
            try:
                assert proxy.stdout
                proxy.stdout.readline()
                yield port
            finally:
                proxy.terminate()


def _measure(
    options: argparse.Namespace, server: Dovecot, postgres: Postgres, folder: Path, port: int
) -> dict[str, list[Measurement]]:
    """Measure each kind `repeat` times; the order alternates."""
    found = defaultdict(list)
    kinds = {
        "bound": lambda: receive_only(port, server.certificate, options.folders),
        "mbsync": lambda: mbsync(
            folder / "mbsync", port, server.certificate, fsync=options.fsync, depth=options.depth
        ),
        "mailsync": lambda: _ours(postgres, port, server),
        "parts": lambda: _ours(postgres, port, server, "parts"),
    }
    for number in range(options.repeat):
        for kind in list(kinds)[:: -1 if number % 2 else 1]:
            found[kind].append(kinds[kind]())
            print(f"{kind}: {found[kind][-1]['wall_s']:.1f} s", flush=True)
    return dict(found)


def _ours(postgres: Postgres, port: int, server: Dovecot, *parts: str) -> Measurement:
    """Sync into an empty database, in a process of its own, as a Lambda function does."""
    with closing(connect(Settings({"DATABASE_URL": postgres.superuser_socket_url}))) as owner:
        owner.run("TRUNCATE mailsync.email_accounts CASCADE")
    login = postgres.socket_url_for_login(FUNCTIONS_DATABASE_LOGIN_NAME)
    command = [sys.executable, "-m", "benchmarks.imap.ours", login, str(port)]
    ran = subprocess.run(
        [*command, str(server.certificate), *parts], check=True, stdout=subprocess.PIPE
    )
    measured: Measurement = json.loads(ran.stdout.splitlines()[-1])
    return measured


def _machine(postgres: Path | None) -> str:
    version = subprocess.check_output(["mbsync", "--version"], text=True).strip()
    python = f"Python {platform.python_version()}"
    database = f"Postgres of {postgres} with lz4" if postgres else "embedded Postgres without lz4"
    return f"{platform.machine()}, {os.cpu_count()} cores, {python}, {version}, {database}"


def _print(result: Measurement) -> None:
    print(f"{result['machine']}; {result['mail_bytes'] / 1e6:.0f} MB of mail")
    for round_trip_ms, kinds in result["by_rtt_ms"].items():
        best = {kind: min(each, key=lambda it: it["wall_s"]) for kind, each in kinds.items()}
        ours, parts = best["mailsync"], best.pop("parts")
        messages = ours["messages"]
        speed = {kind: messages / each["wall_s"] for kind, each in best.items()}
        print(f"round-trip time {round_trip_ms} ms, {messages:,} messages:")
        for kind, rate in speed.items():
            print(
                f"  {kind:<9} {rate:>7.0f} messages/s  {best[kind]['wall_s']:>6.1f} s"
                f"  mailsync is {speed['mailsync'] / rate:.2f} of it"
            )
        print(
            f"  mailsync: {ours['requests']} commands, {ours['cpu_s']:.1f} s of CPU, at most"
            f" {ours['memory_mb']:.0f} MB; by part, in a run of its own, s of time and s of CPU"
            " of both threads:"
        )
        for part, wall_s in parts["wall_s_by_part"].items():
            print(f"    {part:<9} {wall_s:>6.1f} {parts['cpu_s_by_part'][part]:>6.1f}")


if __name__ == "__main__":
    sys.exit(main())
