"""The simulators continue with the files of an earlier process, and of an earlier release."""

import sqlite3
from contextlib import closing
from pathlib import Path

from localdev.simulators import Simulators
from tests.support.mail import a_mail

EARLIER = """
CREATE TABLE mailbox (id TEXT PRIMARY KEY, address TEXT UNIQUE, display_name TEXT);
CREATE TABLE message (seq INTEGER PRIMARY KEY, immutable_id TEXT NOT NULL, properties BLOB);
CREATE TABLE consent (id TEXT PRIMARY KEY, user_id TEXT NOT NULL, scope TEXT NOT NULL,
    refusal INTEGER NOT NULL DEFAULT 0);
INSERT INTO mailbox VALUES ('u', 'ada@example.com', 'Ada');
INSERT INTO message VALUES (1, 'AAkA', '{}');
INSERT INTO consent VALUES ('c', 'u', 'Mail.Read', 0);
"""


def test_mail_in_the_form_of_an_earlier_release_is_dropped_and_sign_ins_stay(
    tmp_path: Path,
) -> None:
    with closing(sqlite3.connect(tmp_path / "microsoft.sqlite")) as earlier:
        earlier.executescript(EARLIER)

    with Simulators(tmp_path) as simulators:
        assert simulators.service.list_mailboxes() == []
        mailbox = simulators.find_or_create_mailbox("ada@example.com")
        assert mailbox.find_message(mailbox.deliver_message(a_mail())).mail_item.subject == "Hello"
        consents = simulators.service.database.fetch_rows("SELECT id FROM consent")
        assert [row["id"] for row in consents] == ["c"]
