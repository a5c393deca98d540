"""One synthesis of each kind of stage for all tests, without building the code asset."""

import json
from pathlib import Path

import pytest

from tests.deploy import synthesis
from tests.deploy.template import Template

TOPIC = "arn:aws:sns:eu-west-1:111122223333:pager"
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


def other_stage(folder: Path, **settings: object) -> Template:
    stages = {"other": {"app_inbox_url": "https://app.example.com/", **settings}}
    synthesis.app(folder, {"stage": "other", "stages": stages}).synth()
    return template_of(folder, "Mailsync-other-Sync")


@pytest.fixture(scope="session")
def with_email(tmp_path_factory: pytest.TempPathFactory) -> Template:
    """Alarms go to an address, pages of one origin use the API; cdk-nag had no finding."""
    settings = {"alarm_email": "ops@example.com", "cors_origins": ["https://a.example"]}
    folder = tmp_path_factory.mktemp("email")
    return other_stage(folder, log_level="DEBUG", settings_version="1", **settings)


@pytest.fixture(scope="session")
def with_topic(tmp_path_factory: pytest.TempPathFactory) -> Template:
    """The same functions under other settings; alarms go to a topic, and the clock is off."""
    settings = {"alarm_topic_arn": TOPIC, "log_level": "DEBUG", "settings_version": "2"}
    return other_stage(tmp_path_factory.mktemp("topic"), schedule_enabled=False, **settings)


def template_of(assembly: Path, stack: str) -> Template:
    return Template(json.loads((assembly / f"{stack}.template.json").read_text()))
