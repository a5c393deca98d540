"""`make dashboard STAGE=...`: how the database of a deployed stage is found."""

import pytest

from localdev.dashboard import deployed
from localdev.engine.failure import StartFailed

BROUGHT, OWN = "postgresql://functions@db.example.com/mail", "postgresql://me@aurora/mailsync"
OUTPUTS = dict.fromkeys(("SettingsSecretArn", "MailboxSyncArn", "TestSyncArn", "ApiUrl"), "x")


def stage_with(patch: pytest.MonkeyPatch, secret: dict[str, str]) -> None:
    """What AWS would answer for it."""
    patch.setattr(deployed, "_outputs", lambda _: OUTPUTS)
    patch.setattr(deployed, "_secret", lambda _: secret)


def test_the_secret_says_where_the_database_is(monkeypatch: pytest.MonkeyPatch) -> None:
    stage_with(monkeypatch, {"DATABASE_URL": BROUGHT})
    monkeypatch.setenv("DATABASE_URL", OWN)

    assert deployed.deployed_sources("prod").settings.database_url == BROUGHT


def test_whoever_looks_says_it_for_a_database_of_the_stages_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stage_with(monkeypatch, {"DATABASE_URL": ""})

    with pytest.raises(StartFailed, match="Stage prod has a database of its own"):
        deployed.deployed_sources("prod")

    monkeypatch.setenv("DATABASE_URL", OWN)
    assert deployed.deployed_sources("prod").settings.database_url == OWN
