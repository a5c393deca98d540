"""Serve the dashboard of a deployed stage until Ctrl-C: `python -m dashboard --stage prod`."""

import signal

if __name__ == "__main__":
    # Until the modules below are loaded, which takes seconds, Ctrl-C prints no traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import argparse
import sys
from contextlib import suppress

from dashboard.deployed import find_data_sources_of_deployed_stage
from dashboard.server import Dashboard
from localdev.engine.failure import StartFailed
from localdev.options import Options
from localdev.stop_signals import StopSignals


def main(arguments: list[str]) -> int:
    """Run the dashboard of a deployed stage; return the exit code of the process.

    The exit code is 0 after Ctrl-C. It is 1 when the stage cannot be read or the dashboard's port
    is in use.
    """
    parser = argparse.ArgumentParser(prog="python -m dashboard", description=__doc__)
    parser.add_argument("--stage", required=True, help="name of the stage, such as prod")
    parser.add_argument(
        "--dashboard-port", type=int, default=Options().dashboard_port, help="0: any"
    )
    parser.add_argument(
        "--show-bodies",
        action="store_true",
        help="let the text of mail be opened; each opening is reported on stderr",
    )
    chosen = parser.parse_args(arguments)
    try:
        sources = find_data_sources_of_deployed_stage(chosen.stage, show_bodies=chosen.show_bodies)
        dashboard = Dashboard(port=chosen.dashboard_port, token_required=True)
    except StartFailed as failed:
        print(failed, file=sys.stderr)
        return 1
    dashboard.start(sources)
    acts = (
        "acts by MAILSYNC_TOKEN"
        if sources.get_user_token_or_none()
        else "only reads; MAILSYNC_TOKEN lets it act"
    )
    with StopSignals() as signals, suppress(KeyboardInterrupt):
        print(f"{dashboard.url_with_token} shows {chosen.stage} and {acts}. Ctrl-C ends it.")
        sys.stdout.flush()
        signals.wait_for_signal()
    dashboard.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
