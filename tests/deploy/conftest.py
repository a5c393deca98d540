"""One synthesis of each kind of stage for all tests, without building the code asset."""

import json
from pathlib import Path

import pytest

from tests.deploy import synthesis
from tests.deploy.template import Template

OWN = {"stage": "own", "stages": {"own": synthesis.OWN_DATABASE}}


@pytest.fixture(scope="session")
def assembly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return synthesis.assembly(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="session")
def own_assembly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same of a stage with a database of its own."""
    folder = tmp_path_factory.mktemp("cdk.out")
    synthesis.app(folder, OWN).synth()
    return folder


@pytest.fixture(scope="session")
def sync(assembly: Path) -> Template:
    return template_of(assembly, "Mailsync-prod-Sync")


@pytest.fixture(scope="session")
def stateful(assembly: Path) -> Template:
    return template_of(assembly, "Mailsync-prod-Stateful")


@pytest.fixture(scope="session")
def own_sync(own_assembly: Path) -> Template:
    return template_of(own_assembly, "Mailsync-own-Sync")


@pytest.fixture(scope="session")
def own(own_assembly: Path) -> Template:
    return template_of(own_assembly, "Mailsync-own-Stateful")


def template_of(assembly: Path, stack: str) -> Template:
    return Template(json.loads((assembly / f"{stack}.template.json").read_text()))
