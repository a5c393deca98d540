"""Main program of the fork server: import libraries once, then fork a process for each request.

Standard input is a Unix socket, and each request is one message on it. The message is JSON with the
arguments, the environment variables and the folder of the process. It carries two file descriptors:
the output of the process, and a reply socket. The fork server sends the process id on the reply
socket, and the exit code when the process has ended. The forked process runs the program that the
request names, as a new interpreter would.

This program must import nothing of the package `localdev`, so that the forked processes find only
their own code.
"""

import ctypes
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
import time
from contextlib import suppress
from typing import Any

MAX_REQUEST_BYTES = 1 << 20
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)


class ForkRequestHandler:
    """Forks processes until the other end of `channel` is closed or this process is killed. When
    this process ends, the kernel kills the forked processes.

    channel: socket on which the requests arrive.
    """

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._replies: dict[int, socket.socket] = {}
        # A signal that arrives just before a system call would not interrupt it. The interpreter
        # therefore writes a byte to a socket, which `select` sees.
        self._signals, self._wakeup = socket.socketpair()

    def fork_process_per_request(self) -> dict[str, Any] | None:
        """Fork a process for each request, until the channel is closed.

        The method returns in several processes. In each forked process it returns the request that
        the process has to run. In the fork server it returns None when the channel is closed.
        """
        self._wakeup.setblocking(False)
        signal.set_wakeup_fd(self._wakeup.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # else no byte is written
        while True:
            ready, _, _ = select.select((self._channel, self._signals), (), ())
            if self._signals in ready:
                self._signals.recv(MAX_REQUEST_BYTES)
                self._report_ended()
            if self._channel not in ready:
                continue
            message, descriptors, _, _ = socket.recv_fds(self._channel, MAX_REQUEST_BYTES, 2)
            if not message:
                return None
            output, reply = descriptors[0], socket.socket(fileno=descriptors[1])
            if self._fork(reply):
                _redirect(output)
                request: dict[str, Any] = json.loads(message)
                return request
            os.close(output)

    def _fork(self, reply: socket.socket) -> bool:
        """Fork. Return True in the forked process, and False in the fork server."""
        server = os.getpid()
        try:
            pid = os.fork()
        except OSError as failure:
            print(f"No process could be forked: {failure}", file=sys.stderr)
            reply.close()
            return False
        if not pid:
            self._leave(reply)
            _separate(server)
            return True
        self._replies[pid] = reply
        _send(reply, pid)
        return False

    def _leave(self, reply: socket.socket) -> None:
        signal.set_wakeup_fd(-1)
        opened = (self._channel, self._signals, self._wakeup, reply, *self._replies.values())
        for each in opened:
            each.close()

    def _report_ended(self) -> None:
        with suppress(ChildProcessError):
            while pid := (ended := os.waitpid(-1, os.WNOHANG))[0]:
                reply = self._replies.pop(pid)
                _send(reply, os.waitstatus_to_exitcode(ended[1]))
                reply.close()


def _send(reply: socket.socket, number: int) -> None:
    with suppress(OSError):  # nobody waits any more
        reply.send(f"{number}\n".encode())


def _separate(server: int) -> None:
    """Give the forked process its own session and the default signal handling, and let the kernel
    kill it when the fork server ends.

    server: process id of the fork server.
    """
    os.setsid()
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != server:  # the fork server ended before `prctl`
        os._exit(1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def _redirect(output: int) -> None:
    for standard in (1, 2):
        os.dup2(output, standard)
    os.close(output)


def _preload(modules: list[str]) -> None:
    for module in modules:
        with suppress(ImportError):  # the process that needs it says so
            importlib.import_module(module)
    threads = len(os.listdir("/proc/self/task"))
    if threads > 1:
        sys.exit(f"A library has started a thread ({threads} run), and a fork would lose it.")
    gc.collect()
    gc.freeze()  # a collection would copy every page that the processes share


def _run(request: dict[str, Any]) -> None:
    """Run the program of the request with its arguments, environment and folder."""
    _show_as([sys.executable, "-u", "-P", *request["arguments"]])
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    time.tzset()
    sys.argv = request["arguments"]
    sys.path[:0] = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    runpy.run_path(sys.argv[0], run_name="__main__")


def _show_as(command: list[str]) -> None:
    """Replace the command line that `ps` shows for this forked process, which is still that of the
    fork server.

    Source: proc_pid_stat(5), fields 48 and 49.
    """
    with open("/proc/self/stat", "rb") as file:
        fields = file.read().rpartition(b")")[2].split()
    start, end = int(fields[45]), int(fields[46])
    title = b"\0".join(each.encode() for each in command)
    ctypes.memmove(start, title[: end - start - 1].ljust(end - start, b"\0"), end - start)


def main(modules: list[str]) -> None:
    """Import the modules, and fork a process for each request until the channel is closed."""
    channel = socket.socket(fileno=os.dup(0))
    with open(os.devnull) as nothing:
        os.dup2(nothing.fileno(), 0)
    _preload(modules)
    if request := ForkRequestHandler(channel).fork_process_per_request():
        _run(request)


if __name__ == "__main__":
    main(sys.argv[1:])
