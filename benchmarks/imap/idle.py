"""`python -m benchmarks.imap.idle`: the CPU of a scheduled check of a mailbox without news.

The check is that of the function `sync-accounts`, in this process, against a real Dovecot with TLS
and a real Postgres. The first check also imports the modules; the others are those of a warm
function.
"""

import argparse
import statistics
import sys
import time
from contextlib import closing

from benchmarks.imap.__main__ import add_postgres_option, open_servers
from benchmarks.imap.ours import Workflow, connect_account, measure_parts, settings_of
from benchmarks.imap.shares import OTHER, Shares
from localdev.stack import FUNCTIONS_DATABASE_LOGIN_NAME
from mailsync.model import AccountId
from mailsync.providers.response_memory import ResponseMemoryBudget
from mailsync.store.connection import Database
from mailsync.sync import batch
from mailsync.sync.check import CheckOutcomeAndCost, CheckWorker, check_account
from tests.support.dovecot import readable_folder

MAX_CPU_S = 0.05


def main() -> int:
    """Return 0 if a check takes at most `MAX_CPU_S` seconds of CPU, else 1."""
    options = _options()
    with readable_folder() as folder, open_servers(folder, options) as (server, postgres, _):
        login = postgres.socket_url_for_login(FUNCTIONS_DATABASE_LOGIN_NAME)
        settings = settings_of(login, server.port, str(server.certificate))
        with closing(Database(settings)) as database:
            account_id = connect_account(database, server.port)
            workflow = Workflow(settings, database)
            workflow.run(account_id)
            opener = batch._opener(
                settings,
                database,
                workflow.vault,
                ResponseMemoryBudget(
                    own_bytes=batch.WORKER_RESPONSE_BYTES,
                    large_bytes=batch.SHARED_RESPONSE_BYTES,
                    wait_s=batch.SHARED_WAIT_S,
                ),
            )
            worker = CheckWorker(database, opener, lambda *_: None)
            return _measure(worker, account_id, options.checks)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.imap.idle", description=__doc__.partition("\n")[0]
    )
    add, default = parser.add_argument, "default: %(default)s"
    add("--messages", type=int, default=50_000, help=default)
    add("--folders", type=int, default=200, help=f"folders beside the inbox; {default}")
    add("--inbox", type=float, default=0.2, help=f"share of the messages in the inbox; {default}")
    add("--checks", type=int, default=20, help=default)
    add_postgres_option(parser)
    return parser.parse_args()


def _measure(worker: CheckWorker, account_id: AccountId, checks: int) -> int:
    cpu_s: list[float] = []
    reports: list[CheckOutcomeAndCost] = []
    shares = Shares()
    for number in range(checks + 2):
        if number == 2:
            measure_parts(shares)
        began = time.process_time()
        reports.append(check_account(worker, account_id, lambda: 150.0))
        cpu_s.append(time.process_time() - began)
    warm, report = cpu_s[2:], reports[-1]
    median = statistics.median(warm)
    print(f"outcomes: {sorted({str(each.outcome) for each in reports})}")
    print(f"commands {report.request_count}, statements {report.database_round_trip_count}")
    print(
        f"CPU, ms: first {cpu_s[0] * 1e3:.0f}, warm median {median * 1e3:.1f},"
        f" least {min(warm) * 1e3:.1f}, most {max(warm) * 1e3:.1f}"
    )
    parts = {**shares.cpu_s, OTHER: sum(warm) - sum(shares.cpu_s.values())}
    for part, seconds in parts.items():
        print(f"  {part:<9} {seconds / len(warm) * 1e3:>6.1f}")
    return 0 if median <= MAX_CPU_S else 1


if __name__ == "__main__":
    sys.exit(main())
