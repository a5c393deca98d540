"""What holds of any page."""

from hypothesis import given
from hypothesis import strategies as st

from mailsync.decisions.plan import plan_page
from mailsync.model import Change, PartialChange, RemoteId, RemovedMessage, Unreadable, Upsert
from tests.support.builders import a_message, a_page

IDS = st.sampled_from(["a", "b", "c"])
CHANGES: st.SearchStrategy[Change] = st.one_of(
    st.builds(lambda each, read: Upsert(a_message(each, is_read=read)), IDS, st.booleans()),
    st.builds(lambda each: PartialChange(RemoteId(each)), IDS),
    st.builds(lambda each: RemovedMessage(RemoteId(each)), IDS),
    st.builds(lambda each: Unreadable(RemoteId(each), "corrupt", ""), IDS),
)


def remote_id(change: Change) -> RemoteId:
    return change.message.remote_id if isinstance(change, Upsert) else change.remote_id


@given(st.lists(CHANGES, max_size=12))
def test_each_message_of_a_page_has_exactly_one_outcome(changes: list[Change]) -> None:
    plan = plan_page(a_page(*changes))

    outcomes = [each.remote_id for each in plan.upserts] + list(plan.removals)
    outcomes += [each.remote_id for each in plan.partial]
    outcomes += [each.remote_id for each in plan.unreadable]
    told = {remote_id(each) for each in changes}
    assert sorted(outcomes) == sorted(told)


@given(st.lists(CHANGES, max_size=12))
def test_a_page_planned_twice_is_the_page_planned_once(changes: list[Change]) -> None:
    assert plan_page(a_page(*changes, *changes)) == plan_page(a_page(*changes))
