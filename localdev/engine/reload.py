"""Watch the code, so that the next invocation of a function uses changed Python and SQL files."""

import threading
from collections.abc import Callable
from pathlib import Path

from watchfiles import Change, watch

from localdev.engine.lambda_host import LambdaHost

_FOLLOWED = frozenset({".py", ".sql"})


class CodeWatcher:
    """Watches the code from `start` to `stop`; after a change it ends the Lambda host's
    environments, which run the old code.

    report: called with the names of the changed files.
    """

    def __init__(
        self, host: LambdaHost, code_root: Path, report: Callable[[list[str]], None]
    ) -> None:
        self._host = host
        self._code_root = code_root.resolve()
        self._report = report
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()

    def _follow(self) -> None:
        changes = watch(
            self._code_root, watch_filter=_is_code, stop_event=self._ended, rust_timeout=200
        )
        for changed in changes:
            self._host.retire_function_execution_environments()
            self._report(
                sorted({str(Path(path).relative_to(self._code_root)) for _, path in changed})
            )


def _is_code(_change: Change, path: str) -> bool:
    return Path(path).suffix in _FOLLOWED
