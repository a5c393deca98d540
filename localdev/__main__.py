"""`python -m localdev up` and `python -m localdev demo`."""

import signal
import sys
from contextlib import suppress
from types import FrameType

from rich.console import Console

from localdev.engine.failure import StartFailed
from localdev.engine.reload import CodeWatch
from localdev.options import Options, parse
from localdev.stack import CODE_ROOT, Stack

console = Console(highlight=False, soft_wrap=True)


def main(arguments: list[str]) -> int:
    """The exit code: 0 when all went well, 1 when the stack could not start."""
    command, options = parse(arguments)
    signal.signal(signal.SIGTERM, _interrupt)
    stack = Stack(options)
    try:
        with console.status("Starting Mailsync ..."):
            stack.start()
        return _stay_up(stack) if command == "up" else _demo(stack, options)
    except StartFailed as failed:
        print(failed, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        stack.stop()


def _stay_up(stack: Stack) -> int:
    console.print(_welcome(stack))
    watch = CodeWatch(
        stack.lambdas, CODE_ROOT, lambda changed: console.print(f"Reloaded: {', '.join(changed)}")
    )
    watch.start()
    with suppress(KeyboardInterrupt):
        signal.pause()
    console.print("Stopping; what is stored stays.")
    watch.stop()
    return 0


def _demo(stack: Stack, options: Options) -> int:
    from localdev.demo import run

    return run(stack, options)


def _welcome(stack: Stack) -> str:
    token = "" if stack.options.dev_login else f"-H 'Authorization: Bearer {stack.token()}' "
    curl = f"curl -s {token}"
    return f"""Mailsync is up. Ctrl-C stops it.

  API        {stack.api_url}
  AWS        {stack.aws_url}   (AWS_ENDPOINT_URL)
  Graph      {stack.provider.graph_url}
  Database   {stack.database_url}
  Logs       {stack.data / "logs"}

Try next:
  {curl}{stack.api_url}/api/test-sync
  open {stack.api_url}/api/auth/microsoft in a browser and connect a mailbox
  {curl}'{stack.api_url}/api/email/sync?accountId=ID'
  {curl}--json '{{"accountId": "ID"}}' {stack.api_url}/api/email/sync
"""


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
