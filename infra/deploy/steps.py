"""Run the steps of a deployment in order. Each step can be repeated."""

import json
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from infra.deploy.aws_account import (
    AwsAccount,
    aws_account_problems,
    aws_account_warnings,
    changed_database_kind_problems,
    missing_az_problems,
    read_current_aws_account,
)
from infra.deploy.cdk_cli import REPOSITORY_ROOT, CdkCli, read_required_bootstrap_version
from infra.deploy.deployed_stacks import (
    changed_account_or_region_problems,
    stack_problems,
    unprotect_stack_of_failed_creation,
)
from infra.deploy.failure import DeploymentFailed
from infra.deploy.stage_database import database_problems, migrate_database_and_create_login
from infra.deploy.stage_health import run_self_test, wait_for_health
from infra.deploy.stage_secrets import (
    StageSecretValues,
    read_deployed_secret_values,
    read_secrets_of_settings_file,
    write_changed_secrets_to_aws,
)
from infra.settings import StageSettings, read_stage_part_of_settings_file


@dataclass(frozen=True, slots=True)
class Deployment:
    """One deployment of one stage.

    stage_settings: the validated settings.
    raw_settings: the settings as the settings file contains them.
    settings_file_secrets_by_field: the values of secrets in the settings file, by field name.
    find_or_install_cdk_command: function that returns the command that starts the CDK's command
        line.
    extra_cdk_context: values for the context of the CDK app, besides those of the stage.
    stack_outputs_folder: folder for the file `outputs.STAGE.json` with the outputs of both stacks.
    """

    stage_settings: StageSettings
    raw_settings: Mapping[str, Any]
    settings_file_secrets_by_field: Mapping[str, str]
    find_or_install_cdk_command: Callable[[], tuple[str, ...]]
    extra_cdk_context: Mapping[str, Any] = field(default_factory=dict)
    stack_outputs_folder: Path = REPOSITORY_ROOT / "build"

    def deploy_stage(self) -> dict[str, str]:
        """Deploy the stage and check that it works; return the outputs of both stacks by name.

        Raises:
            DeploymentFailed: a check or a step failed.
            BotoCoreError, ClientError, OSError, CalledProcessError: a tool or a request failed.
        """
        _report("Checking the settings, the AWS account and the database ...")
        account = read_current_aws_account()
        _report(f"The account is {account.account_id}, the region {account.region}.")
        self._require_no_problems(account)
        cdk = CdkCli(self.find_or_install_cdk_command(), account)
        with tempfile.TemporaryDirectory() as folder:
            outputs = self._deploy_state(cdk, account, Path(folder) / "state")
            values = self._secret_values(account, outputs)
            # Migrate first: deployed functions that start after the next step read the new secrets.
            self._migrate(values)
            version = self._write_secrets(account, outputs, values)
            _report("Deploying functions, workflows and API ...")
            assembly = self._synthesize(account, Path(folder) / "sync", version)
            outputs |= cdk.deploy_stack(self.build_stack_name("Sync"), assembly)
        self.stack_outputs_folder.mkdir(parents=True, exist_ok=True)
        self.stack_outputs_file.write_text(json.dumps(outputs, indent=2) + "\n")
        _report("Waiting for /api/health, then running the self-test ...")
        wait_for_health(outputs["ApiUrl"])
        run_self_test(account, outputs["TestSyncArn"])
        return outputs

    @property
    def stack_outputs_file(self) -> Path:
        return self.stack_outputs_folder / f"outputs.{self.stage_settings.name}.json"

    def build_stack_name(self, part: str) -> str:
        return f"Mailsync-{self.stage_settings.name}-{part}"

    def _require_no_problems(self, account: AwsAccount) -> None:
        outputs = account.read_stack_outputs(self.build_stack_name("Stateful"))
        values = self._secret_values(account, outputs)
        secrets = values.merge_values_of_all_secrets()
        stacks = (self.build_stack_name(part) for part in ("Stateful", "Sync"))
        found = list(
            chain(
                changed_account_or_region_problems(account, self.stack_outputs_file),
                *(stack_problems(account, each) for each in stacks),
                aws_account_problems(account, self.stage_settings),
                changed_database_kind_problems(self.stage_settings, outputs),
                values.find_problems(),
            )
        )
        is_external = self.stage_settings.database == "external"
        if is_external and "DATABASE_URL" in secrets and not found:
            found += database_problems(secrets, is_new_stage=not outputs)
        for warning in aws_account_warnings(account):
            _report(f"Warning: {warning}")
        _require_none(found)

    def _deploy_state(self, cdk: CdkCli, account: AwsAccount, folder: Path) -> dict[str, str]:
        assembly, stack = self._synthesize(account, folder, ""), self.build_stack_name("Stateful")
        _require_none(missing_az_problems(account, assembly / f"{stack}.template.json"))
        if account.read_bootstrap_version() < read_required_bootstrap_version(assembly):
            _report(f"Preparing {account.region} for the CDK (bootstrap) ...")
            cdk.bootstrap_account_and_region()
        if unprotect_stack_of_failed_creation(account, stack):
            _report(
                "An earlier attempt to create the stack failed, so it is created anew. A key,"
                " secrets and a database of that attempt remain in AWS until you delete them."
            )
        _report("Deploying the key, the secrets and, if the stage has its own, the database ...")
        return dict(cdk.deploy_stack(stack, assembly))

    def _secret_values(self, account: AwsAccount, outputs: Mapping[str, str]) -> StageSecretValues:
        deployed = read_deployed_secret_values(account, outputs)
        return StageSecretValues(self.stage_settings, self.settings_file_secrets_by_field, deployed)

    def _write_secrets(
        self, account: AwsAccount, outputs: Mapping[str, str], values: StageSecretValues
    ) -> str:
        written, version = write_changed_secrets_to_aws(account, outputs, values)
        _report(f"Secrets written: {', '.join(written) or 'none, they are up to date'}.")
        return version

    def _migrate(self, values: StageSecretValues) -> None:
        """Migrate an external database; `migrate-database` in AWS migrates an Aurora database."""
        if self.stage_settings.database == "external":
            applied = migrate_database_and_create_login(values.merge_values_of_all_secrets())
            _report(f"Migrations applied: {', '.join(applied) or 'none, the schema is current'}.")

    def _synthesize(self, account: AwsAccount, folder: Path, secrets_version: str) -> Path:
        """Write the cloud assembly of the stage; return its folder. If `secrets_version` differs
        from the deployed version, all functions restart and read the secrets."""
        from infra.mailsync_app import MailsyncApp  # loads the CDK, which takes seconds

        version = f"{self.stage_settings.settings_version}-{secrets_version}"
        stages = {self.stage_settings.name: {**self.raw_settings, "settings_version": version}}
        MailsyncApp(
            outdir=str(folder),
            context={**self.extra_cdk_context, "stage": self.stage_settings.name, "stages": stages},
            # With the account as well, the CDK would have to look up the availability zones.
            region=account.region,
        ).synth()
        return folder


def read_deployment_from_settings_file(
    stage_name: str, file: Path, find_command: Callable[[], tuple[str, ...]]
) -> Deployment:
    """Return the deployment that the settings file describes.

    Raises:
        ValueError: the file is missing or malformed, or a setting of the stage is invalid.
    """
    settings = read_stage_part_of_settings_file(file)
    stage = StageSettings.from_raw_stages(stage_name, {stage_name: settings})
    return Deployment(stage, settings, read_secrets_of_settings_file(file), find_command)


def _require_none(problems: Iterable[str]) -> None:
    if found := list(problems):
        raise DeploymentFailed("Nothing was deployed.\n- " + "\n- ".join(found))


def _report(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)
