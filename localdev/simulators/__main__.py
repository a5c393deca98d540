"""`python -m localdev.simulators`: one JSON line on stdout when it is ready, then until SIGTERM."""

import argparse
import json
import signal
import sys
import threading
from pathlib import Path

from localdev.mail.generate import generate_mail
from localdev.mail.load import load_mail
from localdev.simulators.entra.face import CLIENT_ID, CLIENT_SECRET
from localdev.simulators.simulators import Simulators
from localdev.simulators.switches import LATENCIES

_ACCOUNT = "ada@example.com"


def main() -> None:
    options = _options()
    simulators = Simulators(
        options.data,
        graph_port=options.graph_port,
        entra_port=options.entra_port,
        host=options.host,
        client_id=options.client_id,
        client_secret=options.client_secret,
    )
    simulators.service.latency = LATENCIES[options.latency]
    for address in options.mailbox or [_ACCOUNT]:
        _fill(simulators, address, options)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    with simulators:
        print(json.dumps(_addresses(simulators)), flush=True)
        stopping.wait()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m localdev.simulators", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder that keeps everything")
    parser.add_argument("--graph-port", type=int, default=0, help="0 takes a free port")
    parser.add_argument("--entra-port", type=int, default=0, help="0 takes a free port")
    parser.add_argument("--host", choices=("127.0.0.1", "localhost"), default="127.0.0.1")
    parser.add_argument("--mailbox", action="append", help=f"address, repeatable ({_ACCOUNT})")
    mail = parser.add_mutually_exclusive_group()
    mail.add_argument("--mbox", type=Path, help="mbox file, Maildir or folder of .eml to load")
    mail.add_argument("--messages", type=int, default=0, help="number of messages to generate")
    parser.add_argument("--seed", type=int, default=1, help="seed of the generated mail")
    parser.add_argument("--latency", choices=sorted(LATENCIES), default="none")
    parser.add_argument("--client-id", default=CLIENT_ID)
    parser.add_argument("--client-secret", default=CLIENT_SECRET)
    return parser.parse_args()


def _fill(simulators: Simulators, address: str, options: argparse.Namespace) -> None:
    """Mail is loaded into an empty mailbox only: a restart continues with what is there."""
    mailbox = simulators.add_mailbox(address)
    if any(folder.total for folder in mailbox.folders.all()):
        return
    if options.mbox:
        loaded = load_mail(options.mbox)
        mailbox.load(loaded.items)
        for problem in loaded.problems:
            print(f"{problem.source}: {problem.cause}", file=sys.stderr)
    elif options.messages:
        mailbox.load(generate_mail(options.messages, owner=address, seed=options.seed))


def _addresses(simulators: Simulators) -> dict[str, object]:
    return {
        "graphUrl": simulators.graph_url,
        "controlUrl": simulators.control_url,
        "authority": simulators.authority,
        "caBundle": str(simulators.ca_bundle),
        "graphPort": int(simulators.graph_url.rsplit(":", 1)[1].split("/")[0]),
        "entraPort": int(simulators.authority.rsplit(":", 1)[1].split("/")[0]),
        "mailboxes": [mailbox.address for mailbox in simulators.service.mailboxes()],
    }


if __name__ == "__main__":
    main()
