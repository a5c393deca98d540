"""Run the CDK's command line, which package.json pins, on the Node.js of the virtual
environment."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from infra.deploy.aws_account import AwsAccount
from infra.deploy.failure import DeploymentFailed

REPOSITORY_ROOT = Path(__file__).resolve().parent.parent.parent
_PROGRAM = Path("node_modules") / "aws-cdk" / "bin" / "cdk"


def find_or_install_cdk_command(repository: Path = REPOSITORY_ROOT) -> tuple[str, ...]:
    """Return the command that starts the CDK's command line.

    If the version that package.json pins is not installed, install it first. An older command line
    may be unable to read the cloud assembly that the CDK's Python library writes.

    Raises:
        DeploymentFailed: there is no Node.js, or npm could not install the command line.
    """
    node = _find_program("node")
    if not _is_installed(repository):
        installed = subprocess.run(  # noqa: S603
            [*find_npm_command(node), "ci", "--no-audit", "--no-fund", "--loglevel", "error"],
            cwd=repository,
            check=False,
        )
        if installed.returncode or not _is_installed(repository):
            raise DeploymentFailed(
                "npm could not install the CDK's command line (package.json), which downloads"
                " from the npm registry. Its reason stands above; run the command again."
            )
    return node, str(repository / _PROGRAM)


def _is_installed(repository: Path) -> bool:
    """Return whether npm has installed the pinned version. npm writes its list of packages last, so
    an interrupted installation does not count."""
    pinned = json.loads((repository / "package.json").read_text())["devDependencies"]["aws-cdk"]
    try:
        listed = json.loads((repository / "node_modules" / ".package-lock.json").read_text())
        installed = listed["packages"]["node_modules/aws-cdk"]["version"]
    except (OSError, ValueError, KeyError):
        return False
    return bool(installed == pinned) and (repository / _PROGRAM).exists()


def find_npm_command(node: str) -> tuple[str, ...]:
    """Return the command that starts npm: the npm beside the program `node`, or npm on PATH."""
    script = Path(node).parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return (node, str(script)) if script.is_file() else (_find_program("npm"),)


def _find_program(name: str) -> str:
    """Return the path of `node` or `npm`: of the virtual environment, or else of the PATH."""
    own = Path(os.environ.get("JSII_NODE", ""))
    found = str(own) if own.name == name and own.is_file() else shutil.which(name)
    if not found:
        raise DeploymentFailed(
            f"There is no Node.js ({name}). `make setup` installs one where a wheel exists for the"
            " machine; elsewhere install Node.js 22 or 24. Only deployments need it."
        )
    return found


class CdkCli:
    """The CDK's command line, for one account and region.

    command: the program that starts the CDK's command line, and the program's first arguments.
    """

    def __init__(self, command: Sequence[str], account: AwsAccount) -> None:
        self._command = tuple(command)
        self._account = account

    def bootstrap_account_and_region(self) -> None:
        """Create or update the resources that CDK deployments need in the account and region.

        Raises:
            DeploymentFailed: AWS rejects the resources; the printed output has the reason.
        """
        self._run("bootstrap", f"aws://{self._account.account_id}/{self._account.region}")

    def deploy_stack(self, stack: str, assembly: Path) -> Mapping[str, str]:
        """Deploy one stack of the cloud assembly; return the stack's outputs by name.

        Raises:
            DeploymentFailed: the deployment failed; the printed output has the reason.
        """
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "outputs.json"
            self._run(
                *("deploy", stack, "--app", str(assembly), "--exclusively"),
                *("--require-approval", "never", "--outputs-file", str(file)),
            )
            outputs: dict[str, dict[str, str]] = json.loads(file.read_text())
        if stack not in outputs:
            raise DeploymentFailed(
                f"The CDK reported no outputs of {stack}; run the command again."
            )
        return outputs[stack]

    def _run(self, *arguments: str) -> None:
        region = self._account.region
        environment = {**os.environ, "AWS_REGION": region, "AWS_DEFAULT_REGION": region}
        # An empty folder: in a folder with cdk.json, the command line runs the `app` of the file.
        with tempfile.TemporaryDirectory() as folder:
            ended = subprocess.run(  # noqa: S603
                [*self._command, *arguments], cwd=folder, env=environment, check=False
            )
        if ended.returncode:
            raise DeploymentFailed(
                f"`cdk {' '.join(arguments[:2])}` failed; the reason stands above. What was"
                " deployed before is unchanged. Correct it and run the command again."
            )


def read_required_bootstrap_version(assembly: Path) -> int:
    """Return the lowest version of the CDK's bootstrap stack that the stacks of the cloud assembly
    accept; 0 if they need none."""
    artifacts = json.loads((assembly / "manifest.json").read_text())["artifacts"].values()
    versions = (each.get("properties", {}) for each in artifacts)
    return max((each.get("requiresBootstrapStackVersion", 0) for each in versions), default=0)
