"""A whole stack that connects a mailbox on a mail server of the developer's own: a real Dovecot."""

from pathlib import Path

import httpx
import pytest

from localdev.demo_account import DemoAccount, connect
from tests.local.mirror import Mirror
from tests.support.dovecot import PASSWORD, dovecot, readable_folder
from tests.support.small_stack import beside_other_stacks, small_stack

pytestmark = pytest.mark.long

SUBJECTS = """
SELECT m.subject FROM mailsync.emails m JOIN mailsync.email_accounts a ON a.id = m.account_id
 WHERE a.provider = 'imap' ORDER BY m.subject"""


def test_a_mailbox_on_ones_own_server_is_synced_beside_the_simulated_one(tmp_path: Path) -> None:
    with readable_folder() as folder, dovecot(folder / "d") as server:
        host, port = "localhost", server.port
        client = server.other_client()
        client.append("INBOX", "", "", b"Subject: On my own server\r\n\r\nText\r\n")
        client.logout()
        own = {"IMAP_SERVERS": f"{host}:{port}", "CA_BUNDLE": str(server.certificate)}
        with beside_other_stacks(), small_stack(tmp_path, environment=own) as stack:
            simulated = connect(stack.api_url, stack.provider, stack.token())
            Mirror(stack, simulated).finished()
            login = {"userName": "ann", "password": PASSWORD, "host": host, "port": port}
            url = f"{stack.api_url}/api/email/accounts/imap"
            answer = httpx.post(
                url, headers=simulated.authorization_headers, json=login, timeout=60
            )
            account_id = answer.json()["accountId"]
            mine = DemoAccount(account_id, "ann", stack.api_url, simulated.authorization_headers)
            mirror = Mirror(stack, mine)

            assert mirror.finished()["syncStatus"] == "completed"
            assert mirror.rows(SUBJECTS) == [["On my own server"]]
