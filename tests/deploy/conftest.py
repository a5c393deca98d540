"""One synthesis of each kind of stage for all tests, without building the code asset."""

import json
from pathlib import Path

import pytest

from tests.deploy import synthesis
from tests.deploy.template import Template

OTHERWISE = {
    "schedule_enabled": False,
    "domain_name": "mail.mailsync.test",
    "certificate_arn": "arn:aws:acm:eu-west-1:111122223333:certificate/6e1b0d2c",
}
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


def other_stage(folder: Path, **settings: object) -> tuple[Template, Template]:
    """The two templates, `Sync` first, of a stage with these settings."""
    stages = {"other": {"app_inbox_url": "https://app.mailsync.test/", **settings}}
    synthesis.app(folder, {"stage": "other", "stages": stages}).synth()
    sync, stateful = (
        template_of(folder, f"Mailsync-other-{each}") for each in ("Sync", "Stateful")
    )
    return sync, stateful


@pytest.fixture(scope="session")
def before(tmp_path_factory: pytest.TempPathFactory) -> tuple[Template, Template]:
    """The templates of a stage whose settings are those of the previous release; alarms go to an
    address, pages of one origin use the API; cdk-nag had no finding."""
    settings = {"alarm_email": "ops@mailsync.test", "cors_origins": ["https://a.mailsync.test"]}
    folder = tmp_path_factory.mktemp("before")
    return other_stage(folder, log_level="DEBUG", settings_version="1", **settings)


@pytest.fixture(scope="session")
def with_email(before: tuple[Template, Template]) -> Template:
    return before[0]


@pytest.fixture(scope="session")
def with_topic(tmp_path_factory: pytest.TempPathFactory) -> Template:
    """The same functions under other settings; alarms go to a topic, the clock is off, and the API
    has a domain."""
    settings = {"alarm_topic_arn": TOPIC, "log_level": "DEBUG", "settings_version": "2"}
    return other_stage(tmp_path_factory.mktemp("topic"), **settings, **OTHERWISE)[0]


def template_of(assembly: Path, stack: str) -> Template:
    return Template(json.loads((assembly / f"{stack}.template.json").read_text()))
