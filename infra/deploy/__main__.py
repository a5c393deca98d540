"""Deploy a stage to AWS: the command `make deploy`."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from subprocess import CalledProcessError

from botocore.exceptions import BotoCoreError, ClientError

from infra.deploy.cdk_cli import find_or_install_cdk_command
from infra.deploy.failure import DeploymentFailed
from infra.deploy.steps import Deployment, read_deployment_from_settings_file

_AGAIN = "Correct the cause and run the command again; it continues."


def main(arguments: Sequence[str]) -> int:
    """Deploy a stage and print what is left to do outside AWS; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m infra.deploy",
        description="Deploys a stage to the AWS account and region of the environment, and checks"
        " that it works. A second run continues after an interruption.",
    )
    parser.add_argument("--stage", required=True, help="name of the stage, such as prod")
    parser.add_argument(
        "--settings", type=Path, required=True, help="a copy of settings.example.json, edited"
    )
    options = parser.parse_args(arguments)
    try:
        return deploy(
            read_deployment_from_settings_file(
                options.stage, options.settings, find_or_install_cdk_command
            )
        )
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1


def deploy(deployment: Deployment) -> int:
    """Run the deployment and print its result; return the exit code, 130 after Ctrl-C."""
    try:
        outputs = deployment.deploy_stage()
    except DeploymentFailed as failed:
        print(failed, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            "The deployment was interrupted. CloudFormation finishes a change that it has begun,"
            " and the stage keeps syncing. Run the command again: it continues.",
            file=sys.stderr,
        )
        return 130
    except (BotoCoreError, ClientError) as error:
        print(f"AWS rejects a request: {error}. {_AGAIN}", file=sys.stderr)
        return 1
    except (OSError, CalledProcessError) as error:
        print(f"This machine cannot go on: {error}. {_AGAIN}", file=sys.stderr)
        return 1
    print("\n".join(_next_steps(deployment, outputs)))
    return 0


def _next_steps(deployment: Deployment, outputs: Mapping[str, str]) -> list[str]:
    stage = deployment.stage_settings
    lines = [f"Stage {stage.name} is deployed and works: {outputs['ApiUrl']}"]
    if "DnsTarget" in outputs:
        lines.append(f"DNS: point {stage.domain_name} at {outputs['DnsTarget']} (CNAME).")
    for name, uri in outputs.items():
        if name == "RedirectUri":
            lines.append(f'App registration, platform "Web": add the redirect URI {uri}')
        elif name.startswith("RedirectUri"):
            platform = name.removeprefix("RedirectUri")
            lines.append(f"OAuth client at {platform}: add the authorized redirect URI {uri}")
    if key := outputs.get("ApplicationKeySecretArn"):
        lines.append(f"JWT_SECRET, with which your application signs, is in the secret {key}")
    lines.append(f"All outputs of the stage are in {deployment.stack_outputs_file}.")
    if deployment.settings_file_secrets_by_field:
        lines.append(
            "The stage keeps its secrets: you can remove the part secrets from the settings file."
        )
    return lines


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
