"""Define the options of a local stack, and read them from the command line."""

import argparse
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

from localdev.engine.simulator_process import ProviderSettings
from localdev.external_servers import (
    API_SETTING_NAMES_FROM_ENVIRONMENT,
    ENVIRONMENT_VARIABLES_HELP,
    IMAP_SERVERS_SETTING_NAME,
    ExternalDatabase,
    ExternalMailServers,
    UnusableOptionError,
    read_external_database_settings,
    read_external_mail_servers,
    read_external_provider,
    read_jwt_secret,
)

_SETTINGS = {
    "graph_url": "GRAPH_URL",
    "authority": "MICROSOFT_AUTHORITY",
    "database_url": "DATABASE_URL",
    "app_inbox_url": "APP_INBOX_URL",
}
"""Options that can also be set by an environment variable."""
DISPLAY_NAME_BY_SIMULATED_PROVIDER = {
    "graph": "Microsoft 365",
    "gmail": "Gmail",
    "imap": "a mail server over IMAP",
}
"""Display name of each provider that can be simulated, by the name of the provider's kit."""
DEFAULT_CORS_ORIGINS = "http://localhost:3000", "http://localhost:3001"
"""Origins of the developer's application unless an option names others. Next.js takes the first of
these ports that is free."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of a local stack. A port of 0 means any free port, except for `database_port`.

    data: path of the data folder.
    can_use_other_data_folder: whether the stack may take another data folder if another stack uses
        `data`. The other folder has the same name with -2, -3 and so on.
    api_port, aws_port, dashboard_port: ports of the API, of the local AWS services and of the
        dashboard.

    graph_url, authority: URLs of the developer's own Graph and of its identity platform. None: the
        stack runs the simulators.
    database_url: URL of the developer's own database. None: the stack runs a Postgres server.
    environment: settings of the developer's own servers and of the API; see
        `external_servers.ENVIRONMENT_VARIABLES_HELP`.
    database_port: loopback port of the stack's Postgres server. None or 0: the server listens only
        on a Unix socket.
    mbox: path of an mbox file, Maildir, folder or message, which fills the simulated mailbox. None:
        the mail is generated.
    messages: number of messages to generate.
    simulated_provider: a key of DISPLAY_NAME_BY_SIMULATED_PROVIDER. With `imap` the simulators also
        serve IMAP, and mailboxes are connected by password.
    imap_port: port of the simulated IMAP server. An account's stored address contains this port. So
        the accounts of an earlier start work only if the port is the same.
    latency: latency of the simulators, `none` or `real`.
    quota_scale: the quota of the simulated Gmail as a multiple of Google's quota.
    simulator_host: host name in the simulators' links, 127.0.0.1 or localhost.
    time_scale: factor for constant waits of workflows, intervals of schedules, and waits before
        retries of asynchronous invocations.
    dev_login: whether the API treats programs and pages of this machine as the demo user; see
        `is_dev_login_in_effect`.
    schedule: whether syncs, checks and other scheduled work start automatically. False: only
        requests start work.
    cors_origins: origins whose pages may call the API from a browser.
    app_inbox_url: URL of the page that a browser opens after a sign-in. None: the dashboard.
    fresh: whether the stack deletes the files of earlier stacks in the data folder when it starts.
    """

    data: Path = Path(".mailsync/data")
    can_use_other_data_folder: bool = False
    api_port: int = 3000
    aws_port: int = 4566
    dashboard_port: int = 8288
    graph_url: str | None = None
    authority: str | None = None
    database_url: str | None = None
    database_port: int | None = None
    mbox: Path | None = None
    messages: int = 3000
    simulated_provider: str = "graph"
    imap_port: int = 9993
    latency: str = "none"
    quota_scale: float = 10
    simulator_host: str = "127.0.0.1"
    time_scale: float = 1
    dev_login: bool = True
    schedule: bool = True
    cors_origins: tuple[str, ...] = DEFAULT_CORS_ORIGINS
    app_inbox_url: str | None = None
    fresh: bool = False
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ, compare=False)

    @property
    def serves_imap(self) -> bool:
        """Return whether the simulators also serve their mailboxes over IMAP."""
        return self.simulated_provider == "imap"

    @property
    def is_dev_login_in_effect(self) -> bool:
        """Return whether the API treats programs and pages of this machine as the demo user.

        False with the developer's own mail provider, mail servers or database. They may contain
        real mail, and other users of the machine run programs too.
        """
        imap_servers = self.environment.get(IMAP_SERVERS_SETTING_NAME, "").strip()
        own = self.graph_url, self.authority, self.database_url, imap_servers
        return self.dev_login and not any(own)

    @property
    def external_mail_server_settings(self) -> ExternalMailServers | None:
        """Return the developer's own IMAP servers. Return None if `environment` names no servers.
        Raises UnusableOptionError."""
        return read_external_mail_servers(self.environment)

    @property
    def api_environment_variables(self) -> dict[str, str]:
        """Return the settings of the API's functions that `environment` contains, by name."""
        return {
            name: self.environment[name]
            for name in API_SETTING_NAMES_FROM_ENVIRONMENT
            if name in self.environment
        }

    @property
    def jwt_secret(self) -> str | None:
        """Return the key with which the developer's application signs its tokens. Return None if
        `environment` has no key, so that the stack makes a key. Raises UnusableOptionError."""
        return read_jwt_secret(self.environment)

    @property
    def external_provider_settings(self) -> ProviderSettings | None:
        """Return how to reach the developer's own mail provider. Return None if the stack runs the
        simulators. Raises UnusableOptionError."""
        return read_external_provider(self.graph_url, self.authority, self.environment)

    @property
    def external_database_settings(self) -> ExternalDatabase | None:
        """Return how to reach the developer's own database. Return None if the stack runs a
        Postgres server. Raises UnusableOptionError."""
        return read_external_database_settings(self.database_url, self.environment)


DEMO_DEFAULT_OPTIONS = Options(
    data=Path(".mailsync/demo"),
    can_use_other_data_folder=True,
    fresh=True,
    api_port=0,
    aws_port=0,
    dashboard_port=0,
    imap_port=0,
)
"""The options of a demo, which runs beside other stacks and other demos."""


def parse_command_line(
    arguments: list[str], environment: Mapping[str, str] = os.environ
) -> tuple[str, Options]:
    """Parse the command line; return the command and its options.

    End the process with the exit code 0 for --help, 1 for an unknown provider, and 2 for any other
    wrong usage. In the last two cases print one sentence.
    """
    parser = _Parser(
        prog="python -m localdev", description="Mailsync on this machine, without an AWS account."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="{up,demo}")
    for name, purpose, defaults in (
        ("up", "start the stack and stay up until Ctrl-C", Options()),
        ("demo", "mirror a simulated mailbox and prove it", DEMO_DEFAULT_OPTIONS),
    ):
        commands.add_parser(
            name,
            parents=[_common_options(defaults)],
            help=purpose,
            description=f"{purpose[0].upper()}{purpose[1:]}.",
            epilog=ENVIRONMENT_VARIABLES_HELP,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
    chosen = vars(parser.parse_args(arguments))
    if chosen["simulated_provider"] not in DISPLAY_NAME_BY_SIMULATED_PROVIDER:
        parser.exit(1, f"{_unknown_provider(chosen['simulated_provider'])}\n")
    for option, setting in _SETTINGS.items():
        chosen[option] = chosen.get(option) or environment.get(setting) or None
    if chosen["data"] is None:
        defaults = DEMO_DEFAULT_OPTIONS if chosen["command"] == "demo" else Options()
        chosen |= {name: getattr(defaults, name) for name in ("data", "can_use_other_data_folder")}
        chosen["fresh"] = defaults.fresh if chosen["fresh"] is None else chosen["fresh"]
    if chosen["cors_origins"] is None:
        chosen["cors_origins"] = _application_origins(chosen["app_inbox_url"])
    known = {each.name for each in fields(Options)}
    options = {name: value for name, value in chosen.items() if name in known}
    made = Options(**options, environment=environment)
    try:
        _require_usable(made)
    except UnusableOptionError as wrong:
        parser.error(str(wrong))
    return chosen["command"], made


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Print one line without the usage, which is longer than a terminal's height."""
        self.exit(2, f"{self.prog}: {message}\n")


def _require_usable(options: Options) -> None:
    """Raise UnusableOptionError for options that cannot work."""
    if options.external_provider_settings and options.mbox:
        raise UnusableOptionError(
            "--mbox fills the simulated mailbox, and with --graph-url (GRAPH_URL) there is none:"
            " leave one of them out."
        )
    if options.external_provider_settings and options.simulated_provider != "graph":
        raise UnusableOptionError(
            "--provider chooses what the simulated mailbox is connected as, and with --graph-url"
            " (GRAPH_URL) there is none: leave one of them out."
        )
    _ = (
        options.external_database_settings,
        options.jwt_secret,
        options.external_mail_server_settings,
    )


def _unknown_provider(name: str) -> str:
    *others, last = (
        f"{each} ({title})" for each, title in DISPLAY_NAME_BY_SIMULATED_PROVIDER.items()
    )
    known = f"{', '.join(others)} or {last}"
    return f"There is no simulated provider {name!r}: PROVIDER (--provider) is {known}."


def _application_origins(inbox_url: str | None) -> tuple[str, ...]:
    """Return the origins of the developer's application: the origin of its inbox page, or
    DEFAULT_CORS_ORIGINS if `inbox_url` is None or has no host."""
    url = urlsplit(inbox_url or "")
    return (f"{url.scheme}://{url.netloc}",) if url.netloc else DEFAULT_CORS_ORIGINS


def _common_options(defaults: Options) -> _Parser:
    parser = _Parser(add_help=False)
    add, default = parser.add_argument, "default: %(default)s"
    add("--data", type=Path, metavar="DIR", help=f"default: {defaults.data}")
    for name in ("api_port", "aws_port", "dashboard_port", "imap_port"):
        option, port = f"--{name.replace('_', '-')}", getattr(defaults, name)
        add(option, type=_port, default=port, help=f"{default}; 0: any")
    _add_provider(parser)
    add("--database-url", metavar="URL", help="your Postgres instead of the stack's own")
    add("--database-port", type=_port, help="let the stack's own Postgres listen there, too")
    mail = "an mbox file, Maildir, folder of .eml files or a single message for the simulator"
    add("--mbox", type=_existing, metavar="PATH", help=mail)
    add("--messages", type=_count, default=defaults.messages, help=default)
    add("--latency", choices=("none", "real"), default=defaults.latency, help="of the simulators")
    add("--quota-scale", type=_scale, default=defaults.quota_scale, help="of Gmail; 1: Google's")
    add("--time-scale", type=_scale, default=defaults.time_scale, help="0.1: waits are a tenth")
    add("--no-dev-login", dest="dev_login", action="store_false", help="ask for a token always")
    add("--no-schedule", dest="schedule", action="store_false", help="nothing starts by itself")
    add(
        "--cors-origins",
        type=lambda text: tuple(filter(None, text.split(","))),
        metavar="URL,URL",
        help="whose pages may use the API from a browser (default: that of APP_INBOX_URL, or else"
        f" {' and '.join(DEFAULT_CORS_ORIGINS)})",
    )
    keeping = parser.add_mutually_exclusive_group()
    forget, keep = "forget what earlier runs stored", "the default, except of a demo without --data"
    keeping.add_argument("--fresh", action="store_true", default=None, help=forget)
    keeping.add_argument("--keep", dest="fresh", action="store_false", help=keep)
    return parser


def _add_provider(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--provider",
        dest="simulated_provider",
        default="graph",
        metavar=f"{{{','.join(DISPLAY_NAME_BY_SIMULATED_PROVIDER)}}}",
        help="what the simulated mailbox is connected as; default: %(default)s",
    )
    add(
        "--graph-url",
        metavar="URL",
        help="Microsoft Graph, such as https://graph.microsoft.com/v1.0, instead of the simulator;"
        " with it --authority, and the environment below",
    )
    add(
        "--authority",
        metavar="URL",
        help="Microsoft's identity platform with the tenant, such as"
        " https://login.microsoftonline.com/common",
    )


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError("a port is a number from 0 to 65535")
    return int(text)


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no number of messages")
    return int(text)


def _existing(text: str) -> Path:
    path = Path(text).expanduser().absolute()
    if not path.exists():
        raise argparse.ArgumentTypeError(f"there is no {text}")
    return path


def _scale(text: str) -> float:
    with suppress(ValueError):
        if 0 < (scale := float(text)) <= 1000:
            return scale
    raise argparse.ArgumentTypeError("a scale is a number above 0, at most 1000")
