"""Start the processes of Lambda functions from a process that has imported their libraries.

On Linux one fork server serves all Lambda hosts of this process. The program of the fork server is
`fork_server_main.py`. The fork server imports libraries and no code of a function, so it need not
be restarted when that code changes.

In two cases each function's process is a new Python interpreter instead of a forked process: on
systems other than Linux, and if the function's settings or code would choose other libraries or
another interpreter than the fork server has. macOS can fork, but `urllib` loads frameworks of Apple
that do not work in a forked process.
"""

import atexit
import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Protocol

from localdev.engine.child import start_child_process
from localdev.engine.operating_system import HAS_SAFE_FORK

_PROGRAM = Path(__file__).with_name("fork_server_main.py")
_ROOT = Path("/")
_MAX_REPLY_BYTES = 20
PRELOADED_MODULES = (
    "aws_lambda_powertools.logging",
    "aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch",
    "aws_lambda_powertools.utilities.typing",
    "boto3",
    "cryptography.hazmat.primitives.ciphers.aead",
    "http.client",
    "orjson",
    "pg8000.native",
    "simplejson",
)
"""Names of the modules that the fork server imports, because most functions import them. None of
them reads a setting or opens a connection when it is imported."""


class FunctionProcess(Protocol):
    """Interface of a function's process: the methods that `subprocess.Popen` and ForkedProcess
    share."""

    @property
    def pid(self) -> int: ...
    @property
    def returncode(self) -> int: ...
    def poll(self) -> int | None: ...
    def wait(self) -> int: ...
    def kill(self) -> None: ...


class ForkedProcess:
    """A process that the fork server has forked.

    returncode: exit code of the process, or the negative number of the signal that ended it. The
        value is 0 until `wait` has returned.
    """

    def __init__(self, pid: int, reply: socket.socket) -> None:
        self.pid = pid
        self.returncode = 0
        self._reply = reply
        self._lock = threading.Lock()
        self._has_ended = threading.Event()

    def poll(self) -> int | None:
        """Return the exit code of the process once a call of `wait` has returned. Return None
        before, even if the process has ended."""
        return self.returncode if self._has_ended.is_set() else None

    def wait(self) -> int:
        with self._lock:
            if not self._has_ended.is_set():
                # An empty reply: the fork server was killed, and the process with it.
                self.returncode = int(self._reply.recv(_MAX_REPLY_BYTES) or -signal.SIGKILL)
                self._reply.close()
                self._has_ended.set()
        return self.returncode

    def kill(self) -> None:
        if self.poll() is None:
            with suppress(ProcessLookupError):  # ended, and `wait` returns soon
                os.kill(self.pid, signal.SIGKILL)


class ForkServerProcess:
    """The fork server: a child process that forks the processes of functions. It ends with this
    process.

    variables: environment variables of the fork server.
    """

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._channel, theirs = socket.socketpair(type=socket.SOCK_SEQPACKET)
        with theirs, open(2, "wb", closefd=False) as errors:
            self._process = start_child_process(
                [sys.executable, "-u", "-P", _PROGRAM, *PRELOADED_MODULES],
                env=variables,
                cwd=_ROOT,
                stdin=theirs.fileno(),
                log=errors,
            )

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def fork_function_process(
        self, arguments: Sequence[str], *, env: Mapping[str, str], cwd: Path, log: IO[bytes]
    ) -> ForkedProcess:
        """Fork a process that runs a Python program; return the process. Raise OSError if the
        server could not fork."""
        request = {"arguments": arguments, "environment": dict(env), "folder": str(cwd)}
        reply, theirs = socket.socketpair(type=socket.SOCK_SEQPACKET)
        with theirs:
            descriptors = [log.fileno(), theirs.fileno()]
            socket.send_fds(self._channel, [json.dumps(request).encode()], descriptors)
        pid = reply.recv(_MAX_REPLY_BYTES)
        if not pid:
            reply.close()
            raise OSError("The fork server started no process for a Lambda function.")
        return ForkedProcess(int(pid), reply)

    def stop(self) -> None:
        """End the fork server. The kernel then kills the processes that the server has forked."""
        self._channel.close()
        self._process.wait()


_servers: list[ForkServerProcess] = []
_lock = threading.Lock()


def start_function_process(
    arguments: Sequence[str], *, env: Mapping[str, str], cwd: Path, log: IO[bytes]
) -> FunctionProcess:
    """Start a process that runs a Python program with the code in `cwd`; return the process.

    arguments: the program's path and its arguments.
    log: file for the output and the errors.

    Raises OSError if the process could not be started.
    """
    if not _can_fork(env, cwd):
        command = [sys.executable, "-u", "-P", *arguments]
        return start_child_process(command, env=env, cwd=cwd, log=log)
    return _server(env).fork_function_process(arguments, env=env, cwd=cwd, log=log)


def _can_fork(env: Mapping[str, str], code: Path) -> bool:
    """Return whether a forked process would behave as a new interpreter. This is so on Linux, if
    `env` has no variable that an interpreter reads at its start, and if the folder `code` contains
    none of PRELOADED_MODULES."""
    read_at_start = [name for name in env if name[:6] == "PYTHON" and name != "PYTHONPATH"]
    packages = [name.split(".")[0] for name in PRELOADED_MODULES]
    brought = [
        name for name in packages if (code / name).exists() or (code / f"{name}.py").exists()
    ]
    return HAS_SAFE_FORK and not read_at_start and not brought


def _server(env: Mapping[str, str]) -> ForkServerProcess:
    with _lock:
        if not (_servers and _servers[-1].is_alive):
            names = ("PATH", "LANG", "TZ", "AWS_EXECUTION_ENV")
            _servers.append(ForkServerProcess({name: env[name] for name in names if name in env}))
            atexit.register(_servers[-1].stop)
        return _servers[-1]
