"""Run the simulators until SIGTERM: `python -m localdev.simulators`.

When the simulators are ready, the program prints one JSON line on stdout. The line contains the
URLs, the ports, and the secrets of the control API and of the application. `mail` is the report on
the mail of --mbox. With `--provider imap` the line also contains the password of all mailboxes:
SIMULATOR_IMAP_PASSWORD, or a random password. If --mbox has no message that can be loaded, the line
contains only the sentence `failed`, and the process exits with 1. On stderr the program names, one
per line, the messages that it did not load and the malformed messages that it loaded.
"""

import argparse
import json
import os
import sys
from pathlib import Path

from localdev.mail.generate import generate_mail_items
from localdev.mail.load import load_mail_lazily
from localdev.mail.report import MailLoadingReport
from localdev.simulated_gmail import scale_quota_limits
from localdev.simulators.behaviour import LATENCY_BY_NAME
from localdev.simulators.entra.server import CLIENT_ID
from localdev.simulators.imap.options import ALL_EXTENSIONS, ImapOptions
from localdev.simulators.simulators import SimulatedImapServerSettings, Simulators
from localdev.stop_signals import StopSignals
from mailsync.registry import GOOGLE, MICROSOFT

_ACCOUNT = "ada@example.com"


def main() -> int:
    """Run the simulators until SIGTERM; return the exit code."""
    options = _options()
    simulators = Simulators(
        options.data,
        graph_port=options.graph_port,
        entra_port=options.entra_port,
        google_port=options.google_port,
        gmail_port=options.gmail_port,
        host=options.host,
        client_id=options.client_id,
        client_secret=options.client_secret,
        control_secret=os.environ.get("SIMULATOR_SECRET"),
        imap_ports=_imap_server_settings(options),
    )
    if simulators.imap:
        simulators.imap.current_options = _imap_options(options)
    _set_up_gmail(simulators, options)
    simulators.service.latency = LATENCY_BY_NAME[options.latency]
    mail: MailLoadingReport | None = None
    for address in options.mailbox or [_ACCOUNT]:
        mail = _fill(simulators, address, options) or mail
    if mail and not mail.loaded_count:
        print(
            json.dumps({"failed": mail.build_no_messages_found_sentence(options.mbox)}), flush=True
        )
        return 1
    with StopSignals(lambda: None) as signals, simulators:
        ready = {**_addresses(simulators, options), "mail": mail.to_json() if mail else None}
        print(json.dumps(ready), flush=True)
        signals.wait_for_signal()
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m localdev.simulators", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder that keeps everything")
    parser.add_argument("--graph-port", type=int, default=0, help="0 takes a free port")
    parser.add_argument("--entra-port", type=int, default=0, help="0 takes a free port")
    parser.add_argument("--google-port", type=int, default=0, help="0 takes a free port")
    _add_gmail(parser)
    _add_imap(parser)
    parser.add_argument("--host", choices=("127.0.0.1", "localhost"), default="127.0.0.1")
    parser.add_argument("--mailbox", action="append", help=f"address, repeatable ({_ACCOUNT})")
    mail = parser.add_mutually_exclusive_group()
    mail.add_argument(
        "--mbox", type=Path, help="mbox file, Maildir, folder of .eml or one message to load"
    )
    mail.add_argument("--messages", type=int, default=0, help="number of messages to generate")
    parser.add_argument("--seed", type=int, default=1, help="seed of the generated mail")
    parser.add_argument("--latency", choices=sorted(LATENCY_BY_NAME), default="none")
    parser.add_argument("--client-id", default=CLIENT_ID)
    parser.add_argument("--client-secret", help="of the application; default: one of its own")
    return parser.parse_args()


def _add_gmail(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--gmail-port", type=int, default=0, help="0 takes a free port")
    parser.add_argument(
        "--gmail-quota-scale",
        type=float,
        metavar="FACTOR",
        help="limits the units per minute: 1 as Google does in new projects; default: no limit",
    )
    parser.add_argument("--gmail-push-url", metavar="URL", help="where Pub/Sub posts its messages")


def _set_up_gmail(simulators: Simulators, options: argparse.Namespace) -> None:
    simulators.gmail.set_behaviour_switches(push_url=options.gmail_push_url)
    if options.gmail_quota_scale is not None:
        per_mailbox, per_project = scale_quota_limits(options.gmail_quota_scale)
        simulators.gmail.set_behaviour_switches(
            units_per_minute_of_user=per_mailbox, units_per_minute_of_project=per_project
        )


def _add_imap(parser: argparse.ArgumentParser) -> None:
    providers = parser.add_argument(
        "--provider", choices=("graph", "imap", "gmail"), default="graph"
    )
    providers.help = (
        "imap: mail is served over IMAP as well; imap, gmail: mail keeps its original bytes"
    )
    parser.add_argument("--imap-port", type=int, default=0, help="with TLS; 0 takes a free port")
    parser.add_argument("--imap-starttls-port", type=int, default=0, help="0 takes a free port")
    parser.add_argument("--imap-prefix", default="", help="of folder names, such as INBOX.")
    parser.add_argument("--imap-separator", default="/", help="between levels of folder names")
    parser.add_argument(
        "--imap-without",
        action="append",
        default=[],
        choices=ALL_EXTENSIONS,
        metavar="EXTENSION",
        help="an extension that the IMAP server does not offer, repeatable",
    )


def _imap_server_settings(options: argparse.Namespace) -> SimulatedImapServerSettings | None:
    if options.provider != "imap":
        return None
    password = os.environ.get("SIMULATOR_IMAP_PASSWORD")
    return SimulatedImapServerSettings(options.imap_port, options.imap_starttls_port, password)


def _imap_options(options: argparse.Namespace) -> ImapOptions:
    return ImapOptions(
        extensions=tuple(each for each in ALL_EXTENSIONS if each not in options.imap_without),
        prefix=options.imap_prefix,
        separator=options.imap_separator,
    )


def _fill(
    simulators: Simulators, address: str, options: argparse.Namespace
) -> MailLoadingReport | None:
    """Generate mail or load the mail of --mbox. Do nothing if the mailbox has mail, so that a
    restart keeps the mail.

    Return the report on the mail of --mbox. None: no mail of --mbox was read.
    """
    mailbox = simulators.find_or_create_mailbox(address)
    if any(folder.total for folder in mailbox.folders.list_all_folders()):
        return None
    if options.messages:
        mailbox.import_mail_items(
            generate_mail_items(options.messages, owner=address, seed=options.seed)
        )
    if not options.mbox:
        return None
    loaded = load_mail_lazily(options.mbox, keeps_originals=options.provider != "graph")
    stored = mailbox.import_mail_items(loaded.items)
    for each in loaded.problems_of_skipped_mail:
        print(f"not loaded: {each}", file=sys.stderr)
    for each in loaded.problems_of_loaded_mail:
        print(f"loaded and odd: {each}", file=sys.stderr)
    return MailLoadingReport.from_loaded_count_and_problems(
        stored, loaded.problems_of_skipped_mail, loaded.problems_of_loaded_mail
    )


def _addresses(simulators: Simulators, options: argparse.Namespace) -> dict[str, object]:
    imap = simulators.imap
    ports = {"imapPort": imap.tls_port, "imapStarttlsPort": imap.starttls_port} if imap else {}
    return {
        **ports,
        **({"imapPassword": imap.password} if imap else {}),
        "signInProvider": GOOGLE if options.provider == "gmail" else MICROSOFT,
        "graphUrl": simulators.graph_url,
        "gmailUrl": simulators.gmail_url,
        "gmailPort": int(simulators.gmail_url.rsplit(":", 1)[1]),
        "controlUrl": simulators.control_url,
        "controlSecret": simulators.control_secret,
        "clientSecret": simulators.client_secret,
        "authority": simulators.entra_authority_url,
        "googleIdentityUrl": simulators.google.base_url,
        "googleClientId": simulators.google.client_id,
        "googleClientSecret": simulators.google.client_secret,
        "googlePort": int(simulators.google.base_url.rsplit(":", 1)[1]),
        "caBundle": str(simulators.ca_bundle),
        "graphPort": int(simulators.graph_url.rsplit(":", 1)[1].split("/")[0]),
        "entraPort": int(simulators.entra_authority_url.rsplit(":", 1)[1].split("/")[0]),
        "mailboxes": [mailbox.address for mailbox in simulators.service.list_mailboxes()],
    }


if __name__ == "__main__":
    sys.exit(main())
