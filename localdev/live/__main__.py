"""Sync your own mailbox and a simulated one, and print how their providers differ (docs/live.md).

The program only reads from your mailbox. When it ends, it deletes the mail that it has stored.
"""

import signal

if __name__ == "__main__":
    # Until the modules below are loaded, which takes seconds, Ctrl-C prints no traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import argparse
import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path

from localdev.engine.failure import StartFailed
from localdev.engine.postgres import lock_data_folder
from localdev.live.compare import find_differences, find_simulator_only_requests
from localdev.live.kit import (
    LiveComparisonFailed,
    LiveComparisonKit,
    list_comparable_provider_names,
    load_live_comparison_kit,
)
from localdev.live.record import Recorder
from localdev.live.run import MailboxSyncOutcome, sync_and_check_mailbox
from localdev.options import Options
from localdev.private_files import write_private_file
from localdev.stack import Stack, delete_stack_data
from localdev.stop_signals import StopSignals

REPORT_VERSION = 1
LIVE_COMPARISON_DATA_FOLDER = Path(".mailsync/live")
LIVE, SIMULATOR = "live", "simulator"


def main(arguments: list[str], environment: Mapping[str, str] = os.environ) -> int:
    """Compare a real provider with its simulator; return the exit code of the process.

    The exit code is 0 after a comparison, 1 if it could not be completed, 2 for wrong usage, and
    130 after Ctrl-C.
    """
    options = _parse(arguments)
    kit = load_live_comparison_kit(options.provider)
    recorders = {name: Recorder(kit.recordable_names_and_words) for name in (SIMULATOR, LIVE)}
    try:
        with StopSignals():
            outcomes = _run(kit, recorders, options, environment)
    except (LiveComparisonFailed, StartFailed) as failed:
        print(failed, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    _report(kit, recorders, outcomes, options.out)
    return 0


def _run(
    kit: LiveComparisonKit,
    recorders: Mapping[str, Recorder],
    options: argparse.Namespace,
    environment: Mapping[str, str],
) -> dict[str, MailboxSyncOutcome]:
    with ExitStack() as opened:
        data = opened.enter_context(_throw_away_folder())
        live = kit.sign_in(environment, recorders[LIVE])
        simulated = opened.enter_context(
            kit.run_simulated_provider(
                data / "baseline", recorders[SIMULATOR], latency=options.latency
            )
        )
        relay = opened.enter_context(kit.open_relay(data / "relay"))
        upstreams = {SIMULATOR: simulated.signed_in_upstream, LIVE: live}
        tokens = {
            name: relay.add_upstream_and_make_relay_token(upstream, recorders[name])
            for name, upstream in upstreams.items()
        }
        stack = opened.enter_context(
            Stack(_stack_options(data, simulated.build_stack_options(relay.http_base_url_or_empty)))
        )
        stack.lambdas.settings.update(relay.lambda_environment_variables)
        outcomes = {}
        for name, change_mailbox in (
            (SIMULATOR, simulated.change_messages_as_owner),
            (LIVE, lambda: None),
        ):
            print(f"First sync, {name}:", flush=True)
            outcomes[name] = sync_and_check_mailbox(
                stack,
                relay,
                kit,
                tokens[name],
                limit_s=options.minutes * 60,
                change_mailbox=change_mailbox,
            )
        return outcomes


@contextmanager
def _throw_away_folder() -> Iterator[Path]:
    """Yield the path of a data folder that does not exist yet. At the end delete the folder with
    all mail, even after an error.

    If the program is killed, its next start deletes the mail.
    """
    data = LIVE_COMPARISON_DATA_FOLDER.resolve() / "stack"
    with lock_data_folder(LIVE_COMPARISON_DATA_FOLDER, what="data"):
        try:
            _delete(data)
            yield data
        finally:
            _delete(data)


def _delete(data: Path) -> None:
    delete_stack_data(data)
    shutil.rmtree(data)


def _stack_options(data: Path, of_provider: Mapping[str, object]) -> Options:
    """Return the options of a stack that uses free ports and runs no schedules."""
    own = {"api_port": 0, "aws_port": 0, "dashboard_port": 0, "schedule": False, "cors_origins": ()}
    return Options(data=data, **own, **of_provider)  # type: ignore[arg-type]


def _report(
    kit: LiveComparisonKit,
    recorders: Mapping[str, Recorder],
    outcomes: Mapping[str, MailboxSyncOutcome],
    out: Path,
) -> None:
    """Write the records of the real provider and of the simulator, and their differences, to the
    file `out`; print the differences."""
    records = {name: recorder.summarise_responses() for name, recorder in recorders.items()}
    differences = find_differences(records[LIVE], records[SIMULATOR])
    unmet = find_simulator_only_requests(records[LIVE], records[SIMULATOR])
    document = {
        "version": REPORT_VERSION,
        "provider": kit.provider_name,
        "outcomes": {name: asdict(outcome) for name, outcome in outcomes.items()},
        "differences": differences,
        "unmet": unmet,
        **records,
    }
    write_private_file(out, json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    for name, outcome in outcomes.items():
        verified = "verified" if outcome.is_verified else "not verified"
        print(f"{name}: first sync {outcome.first_sync}, check {outcome.check}, {verified}")
    print(f"\n{len(differences)} differences of the provider from its simulator:")
    for line in (*differences, *(f"only the simulator met: {kind}" for kind in unmet)):
        print(f"- {line}")
    print(f"\n{out} contains no mail, address or id. docs/live.md says how to send it.")


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m localdev.live", description=__doc__)
    add, default = parser.add_argument, "default: %(default)s"
    add("provider", choices=list_comparable_provider_names())
    add("--out", type=Path, default=Path(".mailsync/live.json"), metavar="FILE", help=default)
    add("--minutes", type=float, default=30, help=f"limit of the first sync; {default}")
    add("--latency", choices=("none", "real"), default="real", help=f"of the simulator; {default}")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
