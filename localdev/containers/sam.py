"""Run `sam local` with containers in which the name localhost means this machine.

Source: AWS SAM CLI reference, `sam local invoke` and `sam local start-api`.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from localdev.containers.template import LOCAL_PROCESSOR_ARCHITECTURE
from localdev.engine.failure import StartFailed
from localdev.engine.names import AWS_REGION
from localdev.private_files import open_private_file_for_appending
from localdev.reserved_port import reserve_port

# The image that `sam local` uses for Python functions by default.
LAMBDA_BASE_IMAGE = f"public.ecr.aws/lambda/python:3.13-{LOCAL_PROCESSOR_ARCHITECTURE}"
INVOKE_TIMEOUT_S = 300
API_START_TIMEOUT_S = 120


class SamCli:
    """Runs the SAM CLI (AWS Serverless Application Model).

    sam: command that starts the SAM CLI.
    image: container image to use without pulling it. None: AWS's image, which is pulled if a newer
        one exists.

    Raises:
        StartFailed: the SAM CLI or Docker is missing.
    """

    def __init__(self, sam: str, image: str | None) -> None:
        found = shutil.which(sam)
        if found is None:
            raise StartFailed(
                f"The SAM CLI is missing ({sam}): install aws-sam-cli into an environment of its"
                " own and name it by SAM=path."
            )
        if not shutil.which("docker") or _run(["docker", "version"]).returncode:
            raise StartFailed(
                "Docker is missing or not running: start it, or name its socket by DOCKER_HOST."
            )
        self._sam = found
        self._image = image

    def find_host_address_for_containers(self) -> str:
        """Return the address of this machine as containers see it.

        Raises:
            StartFailed: Docker cannot run the container that reads the address: its image is
                missing, or Docker fails.
        """
        image = self._image or LAMBDA_BASE_IMAGE
        command = ["docker", "run", "--rm", "--add-host", "machine:host-gateway"]
        ran = _run([*command, "--entrypoint", "cat", image, "/etc/hosts"])
        for line in ran.stdout.splitlines():
            address, _, names = line.partition("\t")
            if names.strip() == "machine":
                return address
        raise StartFailed(f"Docker cannot run {image}: {ran.stderr.strip()[-400:]}")

    def invoke_function(self, template: Path, logical_id: str, event: bytes) -> bytes:
        """Run a function in a container with `sam local invoke`; return its result as JSON.

        Raises:
            StartFailed: `sam local invoke` or the function ended with an error.
        """
        ran = subprocess.run(
            [*self._command("invoke", template), "--event", "-", logical_id],
            input=event,
            capture_output=True,
            env=_environment(),
            timeout=INVOKE_TIMEOUT_S,
            check=False,
        )
        result = ran.stdout.strip()
        if ran.returncode or _is_error(result):
            raise StartFailed(f"{result.decode()}\n{ran.stderr.decode()[-3000:]}")
        return result

    @contextmanager
    def run_api(self, template: Path, log: Path) -> Iterator[str]:
        """Run `sam local start-api` while the `with` block runs; yield the URL of the API.

        Raises:
            StartFailed: the API did not start.
        """
        with reserve_port() as port:
            command = [*self._command("start-api", template), "--port", str(port)]
            with open_private_file_for_appending(log) as sink:
                process = subprocess.Popen(command, stdout=sink, stderr=sink, env=_environment())
            try:
                _wait_until_listening(process, port, log)
                yield f"http://127.0.0.1:{port}"
            finally:
                process.send_signal(signal.SIGINT)
                try:
                    process.wait(30)
                except subprocess.TimeoutExpired:
                    process.kill()

    def _command(self, action: str, template: Path) -> list[str]:
        command = [self._sam, "local", action, "--template", str(template), "--region", AWS_REGION]
        command += ["--add-host", "localhost:host-gateway"]
        if self._image:
            command += ["--skip-pull-image", "--invoke-image", self._image]
        return command


def _wait_until_listening(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + API_START_TIMEOUT_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.2)
    raise StartFailed(f"`sam local start-api` did not come up: see {log}.")


def _is_error(result: bytes) -> bool:
    try:
        document = json.loads(result)
    except ValueError:
        return True
    return isinstance(document, dict) and "errorType" in document


def _environment() -> dict[str, str]:
    """Return this process's environment without AWS credentials.

    If `sam local` had AWS credentials, it would check them before each call.
    """
    own = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return {**own, "SAM_CLI_TELEMETRY": "0"}


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)
