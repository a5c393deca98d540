"""Every function answers its sample event with no more settings than its deployment gives it.

On the local stack all functions share all settings; only here, and in the containers of
`make sam`, would one fail that the catalog keeps from something it needs.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from infra import catalog
from localdev.containers.settings import (
    make_local_environment_values,
    replace_template_environment_values,
)
from localdev.engine.aws_resources import LOCAL_CREDENTIALS
from localdev.engine.dev_login import DEMO_USER_ID
from localdev.engine.environment import ExecutionEnvironment
from localdev.samples import EXPECTED_RESULT_BY_LAMBDA_NAME, SAMPLE_EVENT_FILES_FOLDER, SampleEvents
from localdev.stack import LAMBDA_SOURCE_CODE_FOLDER
from tests.deploy import synthesis
from tests.deploy.template import Template
from tests.local.mirror import Mirror

FROM_OUTSIDE = ("AWS_ENDPOINT_URL", "CA_BUNDLE", *LOCAL_CREDENTIALS)
"""What leads a function to this machine: AWS itself gives it these, or needs none."""


@pytest.fixture(scope="module")
def variables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, object]]:
    """The variables in each function's environment, by its name."""
    folder = synthesis.assembly(tmp_path_factory.getbasetemp())
    template = Template(json.loads((folder / "Mailsync-prod-Sync.template.json").read_text()))
    return {
        spec.name: properties.get("Environment", {}).get("Variables", {})
        for spec, properties in template.functions()
    }


def test_every_function_has_a_sample_and_every_sample_a_function() -> None:
    names = {each.name for each in catalog.FUNCTIONS}

    assert {path.stem for path in SAMPLE_EVENT_FILES_FOLDER.glob("*.json")} == names
    assert EXPECTED_RESULT_BY_LAMBDA_NAME.keys() == names


def test_every_function_answers_its_sample_with_the_settings_of_its_deployment(
    mirror: Mirror, variables: dict[str, dict[str, object]], tmp_path: Path
) -> None:
    folder = next(each for each in mirror.finished()["folders"] if each["role"] == "inbox")
    samples = SampleEvents(mirror.account.id, DEMO_USER_ID, folder["id"])
    own = mirror.stack.lambdas.settings
    values = make_local_environment_values(
        mirror.stack, database_url=own["DATABASE_URL"], owner_url=own["MIGRATION_DATABASE_URL"]
    )

    def start(name: str) -> ExecutionEnvironment:
        settings = replace_template_environment_values(variables[name], values) | {
            each: values[each] for each in FROM_OUTSIDE
        }
        function, log = catalog.find_function(name), tmp_path / f"{name}.log"
        return ExecutionEnvironment(
            function, code_root=LAMBDA_SOURCE_CODE_FOLDER, settings=settings, log=log
        )

    for name, environment in started_ahead(start, list(EXPECTED_RESULT_BY_LAMBDA_NAME)):
        outcome = environment.run_invocation(samples.build_sample_event(name))
        assert not outcome.is_error, (name, outcome.payload_json)
        assert samples.describe_lambda_result_mismatch(name, outcome.payload_json) is None

    mirror.finished()
    assert mirror.synced()["status"] == "completed"
    assert mirror.divergences() == []


def started_ahead(
    start: Callable[[str], ExecutionEnvironment], names: list[str]
) -> Iterator[tuple[str, ExecutionEnvironment]]:
    """Yield each function's environment, which starts while the two before it are at work."""
    running: dict[str, ExecutionEnvironment] = {}
    try:
        for place, name in enumerate(names):
            running |= {
                each: start(each) for each in names[place : place + 3] if each not in running
            }
            yield name, running[name]
            running[name].stop()
    finally:
        for environment in running.values():
            environment.stop()


@pytest.mark.parametrize(
    "payload", [b"", b"null", b'{"hasMore": true, "waitSeconds": 0}', b'{"errorType": "KeyError"}']
)
def test_an_answer_that_does_not_fit_is_named(payload: bytes) -> None:
    assert SampleEvents("a", "u", 1).describe_lambda_result_mismatch("sync-folder", payload)
