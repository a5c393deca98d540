"""What a page writes: by examples, and of any page."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsync.decisions.plan import plan_database_writes_of_page
from mailsync.model import (
    MessageChange,
    MessageRemovedFromFolder,
    MessageToFetchById,
    RemoteId,
    UnreadableMessage,
    Upsert,
)
from tests.support.builders import a_message, a_page

IDS = st.sampled_from(["a", "b", "c"])
CHANGES: st.SearchStrategy[MessageChange] = st.one_of(
    st.builds(lambda each, read: Upsert(a_message(each, is_read=read)), IDS, st.booleans()),
    st.builds(lambda each: MessageToFetchById(RemoteId(each)), IDS),
    st.builds(lambda each: MessageRemovedFromFolder(RemoteId(each)), IDS),
    st.builds(lambda each: UnreadableMessage(RemoteId(each), "corrupt", ""), IDS),
)
WHOLE, CHANGED = Upsert(a_message("m1")), MessageToFetchById(RemoteId("m1"))
REMOVED = MessageRemovedFromFolder(RemoteId("m1"))


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ((Upsert(a_message("m1", subject="old")), WHOLE), "upserts"),
        ((REMOVED, WHOLE), "upserts"),
        ((WHOLE, REMOVED), "message_ids_to_remove_from_folder"),
        ((WHOLE, CHANGED), "messages_to_fetch_now"),
        ((CHANGED, WHOLE), "upserts"),
    ],
    ids=["twice", "removed and added", "added and removed", "then changed", "changed, then whole"],
)
def test_the_last_change_of_a_message_in_a_page_counts(
    changes: tuple[MessageChange, ...], outcome: str
) -> None:
    plan = plan_database_writes_of_page(a_page(*changes))

    expected = {
        "upserts": WHOLE.message,
        "message_ids_to_remove_from_folder": "m1",
        "messages_to_fetch_now": CHANGED,
    }
    for name, value in expected.items():
        assert list(getattr(plan, name)) == ([value] if name == outcome else [])


def test_an_unreadable_message_does_not_touch_the_others() -> None:
    plan = plan_database_writes_of_page(
        a_page(WHOLE, UnreadableMessage(RemoteId("m2"), "corrupt", "no body"))
    )

    assert [each.remote_id for each in plan.upserts] == ["m1"]
    assert [each.cause_name for each in plan.unreadable_messages] == ["corrupt"]


def test_writes_are_ordered_by_id_so_that_writers_do_not_deadlock() -> None:
    plan = plan_database_writes_of_page(a_page(Upsert(a_message("b")), Upsert(a_message("a"))))

    assert [each.remote_id for each in plan.upserts] == ["a", "b"]


@given(st.lists(CHANGES, max_size=12))
def test_each_message_of_a_page_has_exactly_one_outcome(changes: list[MessageChange]) -> None:
    plan = plan_database_writes_of_page(a_page(*changes))

    outcomes = [each.remote_id for each in plan.upserts] + list(
        plan.message_ids_to_remove_from_folder
    )
    outcomes += [each.remote_id for each in plan.messages_to_fetch_now]
    outcomes += [each.remote_id for each in plan.unreadable_messages]
    assert sorted(outcomes) == sorted({each.remote_id for each in changes})


@given(st.lists(CHANGES, max_size=12))
def test_a_page_planned_twice_is_the_page_planned_once(changes: list[MessageChange]) -> None:
    assert plan_database_writes_of_page(a_page(*changes, *changes)) == plan_database_writes_of_page(
        a_page(*changes)
    )
