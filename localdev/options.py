"""What can be chosen for a local stack, on the command line or in a test."""

import argparse
from dataclasses import dataclass, fields
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Ports of 0 mean any free one.

    graph_url, authority  Microsoft's endpoints; None: simulated ones
    database_url          None: a Postgres server of the stack's own
    database_port         where that one also listens on loopback; None: only on its socket
    mbox                  mail for the simulated mailbox; None: `messages` generated ones
    latency               of the simulators: `none` or `real`
    simulator_host        the name of loopback in their links: 127.0.0.1 or localhost
    cors_origins          whose pages may use the API from a browser
    time_scale            multiplies waits of workflows and intervals of schedules
    """

    data: Path = Path(".mailsync/data")
    api_port: int = 3000
    aws_port: int = 4566
    dashboard_port: int = 8288
    graph_url: str | None = None
    authority: str | None = None
    database_url: str | None = None
    database_port: int | None = None
    mbox: Path | None = None
    messages: int = 3000
    latency: str = "none"
    simulator_host: str = "127.0.0.1"
    time_scale: float = 1
    dev_login: bool = True
    schedule: bool = True
    cors_origins: tuple[str, ...] = ()
    fresh: bool = False


def parse(arguments: list[str]) -> tuple[str, Options]:
    """The command and its options. Ends the process on --help and on wrong usage."""
    common = _common_options()
    parser = argparse.ArgumentParser(
        prog="python -m localdev", description="Mailsync on this machine, without an AWS account."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="{up,demo}")
    commands.add_parser("up", parents=[common], help="start the stack and stay up until Ctrl-C")
    commands.add_parser("demo", parents=[common], help="mirror a simulated mailbox and prove it")
    chosen = vars(parser.parse_args(arguments))
    if bool(chosen["graph_url"]) != bool(chosen["authority"]):
        parser.error("--graph-url and --authority belong together.")
    known = {each.name for each in fields(Options)}
    options = {name: value for name, value in chosen.items() if name in known}
    return chosen["command"], Options(**options)


def _common_options() -> argparse.ArgumentParser:
    defaults = Options()
    parser = argparse.ArgumentParser(add_help=False)
    add = parser.add_argument
    add("--data", type=Path, default=defaults.data, metavar="DIR", help="default: %(default)s")
    add("--api-port", type=_port, default=defaults.api_port, help="default: %(default)s; 0: any")
    add("--aws-port", type=_port, default=defaults.aws_port, help="default: %(default)s; 0: any")
    add(
        "--dashboard-port",
        type=_port,
        default=defaults.dashboard_port,
        help="default: %(default)s; 0: any",
    )
    add("--graph-url", metavar="URL", help="Microsoft Graph instead of the simulator")
    add("--authority", metavar="URL", help="Microsoft's identity platform with the tenant")
    add("--database-url", metavar="URL", help="your Postgres instead of the stack's own")
    add("--database-port", type=_port, help="let the stack's own Postgres listen there, too")
    add(
        "--mbox",
        type=_existing,
        metavar="PATH",
        help="an mbox file, Maildir or folder of .eml files",
    )
    add("--messages", type=int, default=defaults.messages, help="default: %(default)s")
    add("--latency", choices=("none", "real"), default=defaults.latency, help="of the simulators")
    add("--time-scale", type=_scale, default=defaults.time_scale, help="0.1: waits are a tenth")
    add("--no-dev-login", dest="dev_login", action="store_false", help="ask for a token always")
    add("--no-schedule", dest="schedule", action="store_false", help="nothing starts by itself")
    add(
        "--cors-origins",
        type=lambda text: tuple(text.split(",")),
        default=defaults.cors_origins,
        metavar="URL,URL",
        help="whose pages may use the API from a browser",
    )
    keeping = parser.add_mutually_exclusive_group()
    keeping.add_argument("--fresh", action="store_true", help="forget what earlier runs stored")
    keeping.add_argument("--keep", dest="fresh", action="store_false", help="the default")
    return parser


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError("a port is a number from 0 to 65535")
    return port


def _existing(text: str) -> Path:
    path = Path(text).expanduser()
    if not path.exists():
        raise argparse.ArgumentTypeError(f"there is no {text}")
    return path


def _scale(text: str) -> float:
    scale = float(text)
    if not 0 < scale <= 1000:
        raise argparse.ArgumentTypeError("the time scale is a number above 0")
    return scale
