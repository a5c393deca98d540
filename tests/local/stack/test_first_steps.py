"""What `make dev` prints for a newcomer to try, against a simulated mailbox."""

from localdev.__main__ import welcome_text
from tests.local.mirror import Mirror
from tests.support.up import paste


def test_the_printed_commands_deliver_a_mail_sync_and_read_it(mirror: Mirror) -> None:
    printed = welcome_text(mirror.stack)
    shell = paste(printed)
    mirror.finished()
    mirror.synced()

    assert shell.stderr == ""
    assert '"runId"' in shell.stdout
    assert "| Hello" in paste(printed).stdout
    mirror.synced()
    assert mirror.divergences() == []
