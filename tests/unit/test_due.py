from mailsync.sync.due import EXECUTION_DIED, LONGEST_S, USUAL_S, next_sync_in_s


def test_a_failing_mailbox_is_asked_ever_more_rarely_but_once_a_day_at_least() -> None:
    waits = [next_sync_in_s(failures=each, cause="FoldersFailed", spread=0.5) for each in range(12)]

    assert waits[0] == USUAL_S
    assert waits == sorted(waits)
    assert waits[-1] == LONGEST_S


def test_mailboxes_that_failed_together_come_back_apart() -> None:
    waits = {
        next_sync_in_s(failures=1, cause="FoldersFailed", spread=each / 10) for each in range(10)
    }

    assert len(waits) == 10


def test_an_execution_that_died_is_taken_up_at_once_but_not_for_ever() -> None:
    assert next_sync_in_s(failures=1, cause=EXECUTION_DIED, spread=0.5) == 0
    assert next_sync_in_s(failures=2, cause=EXECUTION_DIED, spread=0.5) > USUAL_S


def test_an_account_that_waits_for_a_person_is_looked_at_once_a_day() -> None:
    assert next_sync_in_s(failures=1, cause="AccessRevoked", spread=0.5) == LONGEST_S
