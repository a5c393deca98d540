"""What must survive a deletion does, and the secret's values are in no template."""

import json
from pathlib import Path

import pytest

from tests.deploy import synthesis
from tests.deploy.synthesis import OWN_DATABASE
from tests.deploy.template import Template


@pytest.mark.parametrize("kind", ["AWS::KMS::Key", "AWS::SecretsManager::Secret"])
def test_key_and_secret_survive_their_stack(stateful: Template, kind: str) -> None:
    kept = stateful.of_type(kind).values()

    assert kept
    for resource in kept:
        assert resource["DeletionPolicy"] == "Retain"
        assert resource["UpdateReplacePolicy"] == "Retain"


def test_the_token_key_rotates(stateful: Template) -> None:
    assert stateful.only_one("AWS::KMS::Key")["EnableKeyRotation"] is True


def test_the_stateful_stack_cannot_be_deleted_by_mistake(assembly: Path) -> None:
    artifacts = json.loads((assembly / "manifest.json").read_text())["artifacts"]

    assert artifacts["Mailsync-prod-Stateful"]["properties"]["terminationProtection"] is True
    assert "Mailsync-prod-Stateful" in artifacts["Mailsync-prod-Sync"]["dependencies"]


def test_the_template_holds_no_value_of_the_secrets(stateful: Template) -> None:
    held: dict[str, str] = {}
    for secret in stateful.all_of("AWS::SecretsManager::Secret"):
        generated = secret.get("GenerateSecretString", {})
        held |= json.loads(secret.get("SecretString") or generated["SecretStringTemplate"])

    assert set(held) == {
        *("DATABASE_URL", "DATABASE_CA_BUNDLE", "MIGRATION_DATABASE_URL"),
        *("MICROSOFT_CLIENT_SECRET", "MICROSOFT_CLIENT_CERTIFICATE"),
    }
    assert set(held.values()) == {""}


def test_an_unacknowledged_finding_of_cdk_nag_fails_the_synthesis(tmp_path: Path) -> None:
    from aws_cdk import aws_sqs as sqs

    app = synthesis.app(tmp_path)
    sqs.Queue(app.sync, "WithoutTls")

    with pytest.raises(RuntimeError, match="ValidationFailed"):
        app.synth()


@pytest.mark.parametrize(
    ("stage", "settings"), [("dev", {}), ("own", {"stage": "own", "stages": {"own": OWN_DATABASE}})]
)
def test_a_named_account_and_region_raise_no_finding(
    tmp_path: Path, stage: str, settings: dict[str, object]
) -> None:
    """References become literals there, and findings are acknowledged by their text."""
    synthesis.app(tmp_path, settings, account="111122223333", region="eu-west-1").synth()

    stacks = [path.name.split(".")[0] for path in tmp_path.glob("*.template.json")]
    assert sorted(stacks) == [f"Mailsync-{stage}-Stateful", f"Mailsync-{stage}-Sync"]
    template = (tmp_path / f"Mailsync-{stage}-Sync.template.json").read_text()
    assert "arn:aws:states:eu-west-1:111122223333:execution:" in template
