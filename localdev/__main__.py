"""Start the local stack (`python -m localdev up`) or the demo (`python -m localdev demo`)."""

import signal

if __name__ == "__main__":
    # Until the modules below are loaded, which takes seconds, Ctrl-C prints no traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import json
import sys
import time
from collections.abc import Iterator
from contextlib import suppress

from rich.console import Console

from localdev import demo
from localdev.demo_account import connect, url_of_simulator_control_action
from localdev.engine.aws_resources import LOCAL_CREDENTIALS
from localdev.engine.failure import StartFailed
from localdev.engine.reload import CodeWatcher
from localdev.engine.simulator_process import IMAP_HOST
from localdev.options import Options, parse_command_line
from localdev.stack import LAMBDA_SOURCE_CODE_FOLDER, Stack
from localdev.stop_signals import StopSignals
from mailsync.api.provider_paths import sign_in_path
from mailsync.model import ProviderName

_CURL = 'curl -s -H "Authorization: Bearer $TOKEN"'
rich_console = Console(highlight=False, soft_wrap=True)


def main(arguments: list[str]) -> int:
    """Run the command `up` or `demo`; return the exit code of the process.

    The exit code is 0 after success, or after Ctrl-C has stopped the stack of `up`. It is 1 if the
    stack could not start or the demo failed, or for an unknown provider. It is 2 for any other
    wrong usage, and 130 after Ctrl-C during the start or the demo.
    """
    command, options = parse_command_line(arguments)
    with StopSignals() as signals:
        return _run(command, options, signals)


def _run(command: str, options: Options, signals: StopSignals) -> int:
    stack = Stack(options)
    try:
        began = time.monotonic()
        with rich_console.status("Starting Mailsync ..."):
            stack.start()
        rich_console.print(f"Mailsync is up after {time.monotonic() - began:.1f} s.")
        for line in _loaded(stack, options):
            rich_console.print(line, markup=False)
        if command == "up":
            return _stay_up(stack, signals)
        code = demo.run_demo(stack)
        stack.stop()
        demo.print_next_steps_after_demo(code, stack.data / "logs")
        return code
    except StartFailed as failed:
        print(failed, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        stack.stop()  # inside the `except`, where StopSignals ignores a second Ctrl-C
        return 130
    finally:
        stack.stop()


def _loaded(stack: Stack, options: Options) -> Iterator[str]:
    """Yield lines for the terminal that say how the mail of --mbox was loaded."""
    if not options.mbox or not stack.simulator_process:
        return
    report = stack.simulator_process.user_mail_loading_report
    if report:
        yield from report.terminal_lines(options.mbox, stack.data / "logs" / "simulators.log")
    else:
        yield (
            f"The simulated mailbox keeps the mail of an earlier start, so {options.mbox} was not"
            f" loaded; remove {stack.data} (--fresh does) to load it."
        )


def _stay_up(stack: Stack, signals: StopSignals) -> int:
    watch = CodeWatcher(
        stack.lambdas,
        LAMBDA_SOURCE_CODE_FOLDER,
        lambda changed: rich_console.print(f"Reloaded: {', '.join(changed)}"),
    )
    watch.start()
    try:
        rich_console.print(welcome_text(stack))
        signals.wait_for_signal()
    except KeyboardInterrupt:
        with suppress(OSError):  # the terminal was closed
            rich_console.print("Stopping; what is stored stays.")
        watch.stop()
        stack.stop()
    return 0


def welcome_text(stack: Stack) -> str:
    """Connect the first simulated mailbox, if there is one. Return a text for the terminal with the
    addresses of the stack, and with commands to try; indented commands can be pasted."""
    token = stack.token()
    account = connect(stack.api_url, stack.provider, token) if stack.simulator_process else None
    account_id = account.id if account else "ACCOUNT_ID"
    return f"""Ctrl-C stops it and loses nothing.

  Dashboard  {stack.dashboard_server.url_with_token}
  API        {stack.api_url}
  AWS        {stack.aws_url}   (AWS_ENDPOINT_URL)
  Graph      {stack.provider.graph_url}
{_gmail_address(stack)}\
{_imap_address(stack, account.address) if account and stack.provider.imap_port else ""}\
  Database   {_database(stack)}
  Logs       {stack.data / "logs"}

{f"{account.address} is connected and being mirrored." if account else "No account yet."} Try next:

  TOKEN={token}
  {_CURL} {stack.api_url}/api/test-sync
  {_CURL} '{stack.api_url}/api/email/sync?accountId={account_id}'
{_deliver_command(stack, account.address) if account else ""}\
{_imap_command(stack, account.address) if account and stack.provider.imap_port else ""}\
Sync the mailbox:
  {_CURL} {stack.api_url}/api/email/sync -H 'Content-Type: application/json' \\
    -d '{{"accountId": "{account_id}", "syncType": "manual"}}'
{_psql_command(stack)}List the executions of the workflow:
{_aws_command(stack)}
  or open {_connect_page(stack)}
"""


def _connect_page(stack: Stack) -> str:
    """Return the address of the page on which a person connects a mailbox, and what to do there."""
    if stack.provider.imap_port or stack.options.external_mail_server_settings:
        return f"{stack.dashboard_server.url}/accounts in a browser and connect a mailbox yourself"
    path = sign_in_path(ProviderName(stack.provider.sign_in_provider_name))
    sign_in = path if stack.options.is_dev_login_in_effect else "/data/sign-in"
    at = stack.api_url if stack.options.is_dev_login_in_effect else stack.dashboard_server.url
    warned = "; it warns of the simulator's certificate" if stack.simulator_process else ""
    return f"{at}{sign_in} in a browser and connect a mailbox yourself{warned}"


def _gmail_address(stack: Stack) -> str:
    gmail = (
        stack.provider.lambda_environment_variables_for_google.get("GMAIL_URL")
        if stack.simulator_process
        else None
    )
    return f"  Gmail      {gmail}\n" if gmail else ""


def _imap_address(stack: Stack, address: str) -> str:
    """Return lines for the terminal that say how an IMAP client, such as Thunderbird, reaches the
    simulated IMAP server."""
    provider, server = stack.provider, f"{IMAP_HOST}:{stack.provider.imap_port}"
    certificates = provider.ca_bundle
    return f"""  IMAP       {server} with TLS, user {address}, password {provider.imap_password}
             openssl s_client -quiet -crlf -connect {server} -CAfile {certificates}
"""


def _imap_command(stack: Stack, address: str) -> str:
    login = f"{address}:{stack.provider.imap_password}"
    return f"""Count the mail of the inbox over IMAP, as any other client of that mailbox:
  curl -s --cacert {stack.provider.ca_bundle} -u '{login}' \\
    imaps://{IMAP_HOST}:{stack.provider.imap_port} -X 'STATUS INBOX (MESSAGES UNSEEN)'
"""


def _deliver_command(stack: Stack, address: str) -> str:
    mail = json.dumps({"mailbox": address, "subject": "Hello", "body": "A new mail."})
    return f"""Deliver a mail to the simulated mailbox:
  curl -s -H "Authorization: Bearer {stack.provider.control_secret}" \\
    {url_of_simulator_control_action(stack.provider, "deliver")} -d '{mail}'
"""


def _psql_command(stack: Stack) -> str:
    query = "SELECT received_at, subject FROM emails ORDER BY received_at DESC LIMIT 5"
    command = f"  psql '{_database(stack)}' -c '{query}'\n"
    return f"Read the mail:\n{command}" if stack.postgres_server else ""


def _aws_command(stack: Stack) -> str:
    as_anybody = " ".join(f"{name}={value}" for name, value in LOCAL_CREDENTIALS.items())
    return f"""  {as_anybody} \\
    aws --endpoint-url {stack.aws_url} stepfunctions list-executions \\
    --state-machine-arn {stack.lambdas.settings["MAILBOX_SYNC_ARN"]}"""


def _database(stack: Stack) -> str:
    """Return the URL of the database, to be printed on the terminal.

    If the stack uses the developer's own database, return a phrase instead of the URL, because the
    URL may contain a password.
    """
    if stack.postgres_server is None:
        return "the one that you gave"
    by_port = stack.options.database_port
    return (
        stack.postgres_server.tcp_url_for_login("postgres")
        if by_port
        else stack.postgres_server.superuser_socket_url
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
