"""Forks that answer questions until they are asked no more, or are killed."""

import multiprocessing
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, Self

_FORKED = multiprocessing.get_context("fork")
Answer = Callable[[Any], Any]


class Killed(Exception):
    """The fork was killed while it worked on an answer."""


class Fork:
    """A copy of this process, as warm as it is; a context manager."""

    def __init__(self, answer: Answer) -> None:
        self._questions, theirs = _FORKED.Pipe()
        self._process = _FORKED.Process(target=_serve, args=(answer, self._questions, theirs))
        self._process.start()
        theirs.close()

    def ask(self, question: Any) -> Any:
        """Raises Killed, and RuntimeError for another end; its traceback is on stderr then."""
        try:
            self._questions.send(question)
            return self._questions.recv()
        except (EOFError, ConnectionError):
            self._process.join()
            if self._process.exitcode == -signal.SIGKILL:
                raise Killed from None
            raise RuntimeError("A forked process ended without an answer.") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._questions.close()
        self._process.join()


def _serve(answer: Answer, asking: Connection, questions: Connection) -> None:
    asking.close()
    while True:
        try:
            question = questions.recv()
        except EOFError:
            return
        questions.send(answer(question))
