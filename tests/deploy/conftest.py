"""One synthesis for all tests of the deployment, without building the code asset."""

import json
from pathlib import Path

import pytest

from tests.deploy import synthesis
from tests.deploy.template import Template


@pytest.fixture(scope="session")
def assembly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a synthesised `prod`; the synthesis fails on any cdk-nag finding."""
    folder = tmp_path_factory.mktemp("cdk.out")
    synthesis.app(folder, {"stage": "prod"}).synth()
    return folder


@pytest.fixture(scope="session")
def sync(assembly: Path) -> Template:
    return Template(json.loads((assembly / "Mailsync-prod-Sync.template.json").read_text()))


@pytest.fixture(scope="session")
def stateful(assembly: Path) -> Template:
    return Template(json.loads((assembly / "Mailsync-prod-Stateful.template.json").read_text()))
