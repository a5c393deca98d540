"""Run the simulators of Microsoft Graph, Gmail, their identity platforms and an IMAP server as a
child process."""

import json
import os
import secrets
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from localdev.engine.child import start_child_process, stop_child_process
from localdev.engine.failure import StartFailed
from localdev.mail.report import MailLoadingReport
from localdev.private_files import open_private_file_for_appending
from localdev.simulators.entra.server import CLIENT_ID
from mailsync.registry import MICROSOFT

READY_TIMEOUT_S = 300  # a large mbox is imported first
STOP_TIMEOUT_S = 10
_PORTS = {
    "graph": "graphPort",
    "entra": "entraPort",
    "google": "googlePort",
    "gmail": "gmailPort",
    "imap": "imapPort",
    "imap-starttls": "imapStarttlsPort",
}
IMAP_HOST = "localhost"
"""Host name of the simulated IMAP server. The server's certificate is for this name."""
CONTROL_SECRET = os.environ.get("SIMULATOR_SECRET") or secrets.token_urlsafe(32)
"""Secret of the control API `/_sim/` of the simulators that this process starts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderSettings:
    """How to reach the mail providers and their identity platforms: URLs and credentials. The
    providers are the simulators, or the developer's own Graph.

    graph_url, entra_authority_url: URLs of Graph and of Microsoft's identity platform.
    microsoft_tenants_setting_value: value of the setting MICROSOFT_TENANTS.
    ca_bundle: path of a PEM file with CA certificates, or its text. None: the certificates of the
        system.
    control_secret: secret for the simulators' control API `/_sim/`. Functions do not get it.
    lambda_environment_variables_for_google: environment variables with which functions reach the
        simulated Gmail and Google's simulated identity platform.
    sign_in_provider_name: name of the provider at which owners of simulated mailboxes sign in, as
        the database stores it.
    imap_port: port with TLS of the simulated IMAP server on localhost. 0: no IMAP server runs.
    imap_password: password of every mailbox on the simulated IMAP server.
    """

    graph_url: str
    entra_authority_url: str
    client_id: str
    client_secret: str = ""
    client_certificate_pem: str = ""
    microsoft_tenants_setting_value: str = ""
    ca_bundle: str | None = None
    control_secret: str = ""
    lambda_environment_variables_for_google: Mapping[str, str] = field(default_factory=dict)
    sign_in_provider_name: str = MICROSOFT
    imap_port: int = 0
    imap_password: str = ""

    @property
    def lambda_environment_variables(self) -> dict[str, str]:
        """Return the environment variables with which Lambda functions reach this provider."""
        settings = {
            "GRAPH_URL": self.graph_url,
            "MICROSOFT_AUTHORITY": self.entra_authority_url,
            "MICROSOFT_CLIENT_ID": self.client_id,
            "MICROSOFT_CLIENT_SECRET": self.client_secret,
            "CA_BUNDLE": self.ca_bundle or "",
            **self.lambda_environment_variables_for_google,
        }
        if self.client_certificate_pem:
            settings["MICROSOFT_CLIENT_CERTIFICATE"] = self.client_certificate_pem
        if self.imap_port:
            settings["IMAP_SERVERS"] = f"{IMAP_HOST}:{self.imap_port}"
        if self.microsoft_tenants_setting_value:
            settings["MICROSOFT_TENANTS"] = self.microsoft_tenants_setting_value
        return settings


class SimulatorProcess:
    """The child process `python -m localdev.simulators`, running from construction to `stop`.

    The process prints one JSON line when it is ready; `wait_until_ready` reads the line.

    user_mail_loading_report: after `wait_until_ready`, the report on loading the user's own mail.
        None: no mail was given, or the mail was loaded at an earlier start.
    """

    user_mail_loading_report: MailLoadingReport | None = None

    def __init__(self, arguments: list[str], *, root: Path, log: Path) -> None:
        self._arguments = arguments
        self._root = root
        self._log = log
        self._ports: list[str] = []
        log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._process = self._start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_until_ready(self) -> ProviderSettings:
        """Wait until the process has printed its ready line; return how to reach the simulators.

        Raises:
            StartFailed: the process has ended, was not ready after five minutes, or could load no
                message of the user's own mail.
        """
        line = self._first_line()
        try:
            ready = json.loads(line)
            if "failed" in ready:
                raise StartFailed(ready["failed"])
            self.user_mail_loading_report = (
                MailLoadingReport.from_json(ready["mail"]) if ready["mail"] else None
            )
            self._ports = [
                f"--{option}-port={ready[name]}" for option, name in _PORTS.items() if name in ready
            ]
            return ProviderSettings(
                graph_url=ready["graphUrl"],
                entra_authority_url=ready["authority"],
                client_id=CLIENT_ID,
                client_secret=ready["clientSecret"],
                ca_bundle=ready["caBundle"],
                control_secret=CONTROL_SECRET,
                lambda_environment_variables_for_google={
                    "GMAIL_URL": ready["gmailUrl"],
                    "GOOGLE_IDENTITY_URL": ready["googleIdentityUrl"],
                    "GOOGLE_CLIENT_ID": ready["googleClientId"],
                    "GOOGLE_CLIENT_SECRET": ready["googleClientSecret"],
                },
                sign_in_provider_name=ready["signInProvider"],
                imap_port=ready.get("imapPort", 0),
                imap_password=ready.get("imapPassword", ""),
            )
        except (ValueError, KeyError) as unclear:
            raise StartFailed(f"The simulators did not start: see {self._log}.") from unclear

    def restart(self) -> None:
        """Start the process again after it has ended. The mailboxes and the URLs stay the same."""
        self.stop()
        self._process = self._start()
        self.wait_until_ready()

    def stop(self) -> None:
        stop_child_process(self._process, signal.SIGTERM, within_s=STOP_TIMEOUT_S)
        if self._process.stdout:
            self._process.stdout.close()

    def _start(self) -> subprocess.Popen[bytes]:
        environment = {
            **os.environ,
            "SIMULATOR_SECRET": CONTROL_SECRET,
            "PYTHONPATH": os.pathsep.join([str(self._root / "lambdas"), str(self._root)]),
        }
        command = [sys.executable, "-m", "localdev.simulators", *self._arguments, *self._ports]
        with open_private_file_for_appending(self._log) as sink:
            return start_child_process(
                command, env=environment, cwd=self._root, log=sink, stdout=subprocess.PIPE
            )

    def _first_line(self) -> bytes:
        output = self._process.stdout
        assert output is not None
        deadline = time.monotonic() + READY_TIMEOUT_S
        with selectors.DefaultSelector() as selector:
            selector.register(output, selectors.EVENT_READ)
            while time.monotonic() < deadline and not selector.select(timeout=1):
                continue
        return output.readline() if time.monotonic() < deadline else b""
