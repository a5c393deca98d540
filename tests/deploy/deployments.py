"""A stage to be deployed by `make deploy`: its settings file, its database, its command line of the
CDK, and the server behind its API's address."""

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from infra.deploy.__main__ import deploy
from infra.deploy.aws_account import AwsAccount
from infra.deploy.steps import Deployment, read_deployment_from_settings_file
from tests.deploy import synthesis
from tests.deploy.aws_double import AwsDouble
from tests.support.paths import ROOT

LOGIN = {"MICROSOFT_CLIENT_SECRET": "secret of the app"}
STATE, SYNC = "Mailsync-prod-Stateful", "Mailsync-prod-Sync"
_PROGRAM = ROOT / "tests/deploy/cdk_of_moto.py"


@dataclass
class Office:
    """Deploys the stage `prod` with the settings of its file; synthesises equal stages once."""

    aws: AwsDouble
    folder: Path
    patch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]
    stage: dict[str, Any] = field(default_factory=lambda: dict(synthesis.PROD))
    secrets: dict[str, str] = field(default_factory=lambda: dict(LOGIN))

    def __post_init__(self) -> None:
        synthesize = Deployment._synthesize
        made: dict[str, Path] = {}

        def once(deployment: Deployment, account: AwsAccount, _: Path, version: str) -> Path:
            key = json.dumps([deployment.raw_settings, version])
            if key not in made:
                made[key] = synthesize(deployment, account, self.folder / str(len(made)), version)
            return made[key]

        self.patch.setattr(Deployment, "_synthesize", once)

    @property
    def calls(self) -> list[str]:
        """Those of the CDK's command line."""
        file = self.folder / "calls"
        return file.read_text().splitlines() if file.exists() else []

    def deploy(self) -> tuple[int, str]:
        """The exit code, and what was printed."""
        file = self.folder / "settings.json"
        file.write_text(json.dumps({"stage": self.stage, "secrets": self.secrets}))
        self.patch.setenv("CDK_CALLS", str(self.folder / "calls"))
        deployment = read_deployment_from_settings_file(
            "prod", file, lambda: (sys.executable, str(_PROGRAM))
        )
        code = deploy(
            replace(
                deployment,
                extra_cdk_context=synthesis.NO_BUNDLING,
                stack_outputs_folder=self.folder,
            )
        )
        output = self.capsys.readouterr()
        return code, output.out + output.err

    def environment(self, function: str) -> Mapping[str, str]:
        """The environment variables of a deployed function of the catalog."""
        client = self.aws.client("lambda")
        found = client.get_paginator("list_functions").paginate().build_full_result()["Functions"]
        (name,) = (each["FunctionName"] for each in found if each["Handler"] == function)
        configuration = client.get_function_configuration(FunctionName=name)
        variables: dict[str, str] = configuration["Environment"]["Variables"]
        return variables


@contextmanager
def an_api(*responses: tuple[int, bytes]) -> Iterator[str]:
    """The URL of a server with these responses, of which the last stays."""
    left = list(responses)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = left.pop(0) if len(left) > 1 else left[0]
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
