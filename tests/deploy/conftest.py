"""One synthesis for all tests of the deployment, without building the code asset."""

import json
from pathlib import Path

import pytest

from tests.deploy import synthesis
from tests.deploy.template import Template


@pytest.fixture(scope="session")
def assembly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return synthesis.assembly(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="session")
def sync(assembly: Path) -> Template:
    return Template(json.loads((assembly / "Mailsync-prod-Sync.template.json").read_text()))


@pytest.fixture(scope="session")
def stateful(assembly: Path) -> Template:
    return Template(json.loads((assembly / "Mailsync-prod-Stateful.template.json").read_text()))
