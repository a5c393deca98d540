from mailsync.decisions.plan import plan_page
from mailsync.model import PartialChange, RemoteId, RemovedMessage, Unreadable, Upsert
from tests.support.builders import a_message, a_page


def test_a_message_that_stands_twice_in_a_page_is_written_once_as_it_was_last() -> None:
    plan = plan_page(a_page(Upsert(a_message(subject="old")), Upsert(a_message(subject="new"))))

    assert [each.subject for each in plan.upserts] == ["new"]


def test_a_message_removed_and_added_again_in_one_page_is_kept() -> None:
    plan = plan_page(a_page(RemovedMessage(RemoteId("m1")), Upsert(a_message("m1"))))

    assert (len(plan.upserts), plan.removals) == (1, ())


def test_a_message_added_and_then_removed_in_one_page_is_removed() -> None:
    plan = plan_page(a_page(Upsert(a_message("m1")), RemovedMessage(RemoteId("m1"))))

    assert (plan.upserts, plan.removals) == ((), ("m1",))


def test_a_message_that_changed_after_it_was_told_whole_is_asked_for() -> None:
    plan = plan_page(a_page(Upsert(a_message("m1")), PartialChange(RemoteId("m1"))))

    assert (plan.upserts, plan.partial) == ((), (PartialChange(RemoteId("m1")),))


def test_a_message_that_is_told_whole_after_it_changed_need_not_be_asked_for() -> None:
    plan = plan_page(a_page(PartialChange(RemoteId("m1")), Upsert(a_message("m1"))))

    assert (len(plan.upserts), plan.partial) == (1, ())


def test_an_unreadable_message_does_not_touch_the_others() -> None:
    plan = plan_page(
        a_page(Upsert(a_message("m1")), Unreadable(RemoteId("m2"), "corrupt", "no body"))
    )

    assert [each.remote_id for each in plan.upserts] == ["m1"]
    assert [each.cause for each in plan.unreadable] == ["corrupt"]


def test_writes_are_ordered_by_id_so_that_writers_do_not_deadlock() -> None:
    plan = plan_page(a_page(Upsert(a_message("b")), Upsert(a_message("a"))))

    assert [each.remote_id for each in plan.upserts] == ["a", "b"]
