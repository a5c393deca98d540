"""Every function answers its sample event; `make sam` asks the same of containers."""

import pytest

from infra import catalog
from localdev.engine.dev_login import DEMO_USER
from localdev.samples import ANSWERS, EVENTS, Samples
from tests.stack.comparison import in_mailbox, stored
from tests.stack.conftest import Mirror


def test_every_function_has_a_sample_and_every_sample_a_function() -> None:
    names = {each.name for each in catalog.FUNCTIONS}

    assert {path.stem for path in EVENTS.glob("*.json")} == names
    assert ANSWERS.keys() == names


def test_every_function_answers_its_sample_event(mirror: Mirror) -> None:
    folder = next(each for each in mirror.finished()["folders"] if each["role"] == "inbox")
    samples = Samples(mirror.account.id, DEMO_USER, folder["id"])

    for name in ANSWERS:
        answer = mirror.stack.lambdas.invoke(name, samples.event(name))
        assert not answer.failed, (name, answer.payload)
        assert samples.complaint(name, answer.payload) is None

    mirror.finished()
    assert mirror.synced()["status"] == "completed"
    assert stored(mirror) == in_mailbox(mirror)


@pytest.mark.parametrize(
    "payload", [b"", b"null", b'{"hasMore": true, "waitSeconds": 0}', b'{"errorType": "KeyError"}']
)
def test_an_answer_that_does_not_fit_is_named(payload: bytes) -> None:
    assert Samples("a", "u", 1).complaint("sync-folder", payload)
