"""Labels of Gmail, their counts, and what a list that lacks some of them means."""

import re

import pytest

from mailsync.errors import ProviderUnavailable
from mailsync.model import FolderTreeReadingMode, RemoteId
from tests.providers.contract.scripted_gmail import NOT_FOUND, ScriptedGmail, answer, refusal
from tests.support.builders import a_known_folder

QUICK, WHOLE = (
    FolderTreeReadingMode.LIKELY_CHANGED_FOLDERS,
    FolderTreeReadingMode.ALL_LISTED_FOLDERS,
)
NAMES = ("INBOX", "Label_1", "Label_2")


def script_labels(gmail: ScriptedGmail, *listed: str) -> None:
    items = [{"id": each, "name": each.lower(), "type": "user"} for each in listed]
    gmail.script(
        labels=answer({"labels": items}),
        **{
            f"labels__{each}": answer({"id": each, "messagesTotal": 7, "messagesUnread": 2})
            for each in NAMES
        },
    )


@pytest.mark.parametrize(
    ("reading", "counted"),
    [(QUICK, ["Label_2", "new"]), (WHOLE, ["INBOX", "Label_1", "Label_2", "new"])],
)
def test_counts_are_read_where_they_are_wanted_and_a_unit_each(
    gmail: ScriptedGmail, reading: FolderTreeReadingMode, counted: list[str]
) -> None:
    script_labels(gmail, *NAMES, "new")
    gmail.script(labels__new=NOT_FOUND)
    known = [
        a_known_folder(remote_id=each, are_remote_counts_outdated=each == "Label_2")
        for each in NAMES
    ]

    listing = gmail.mailbox.list_folders(known, reading)

    assert sorted(gmail.paths()) == sorted(["labels", *(f"labels/{each}" for each in counted)])
    assert gmail.mailbox.used_quota_units == 1 + len(counted)
    read = {
        each.remote_id: (each.message_count, each.unread_message_count)
        for each in listing.folders
        if each.has_fetched_counts
    }
    assert read == {each: (7, 2) for each in counted if each != "new"} | {"ALL_MAIL": (None, None)}
    assert listing.is_whole_tree


def test_a_label_that_the_list_lacks_is_gone_only_if_a_request_for_it_says_so(
    gmail: ScriptedGmail,
) -> None:
    script_labels(gmail, "INBOX")
    gmail.script(labels__Label_2=NOT_FOUND)
    known = [a_known_folder(remote_id=each) for each in (*NAMES, "ALL_MAIL")]

    listing = gmail.mailbox.list_folders(known, QUICK)

    assert listing.gone_folder_remote_ids == {RemoteId("Label_2")}
    assert listing.existing_unlisted_folder_remote_ids == {RemoteId("Label_1")}
    gmail.script(labels__Label_1=refusal(503, "backendError"))
    with pytest.raises(ProviderUnavailable):
        gmail.mailbox.list_folders(known, QUICK)


def test_the_counts_of_another_label_are_not_believed(gmail: ScriptedGmail) -> None:
    script_labels(gmail, *NAMES)
    gmail.script(labels__Label_1=answer({"id": "Label_2", "messagesTotal": 0}))

    with pytest.raises(ProviderUnavailable):
        gmail.mailbox.list_folders((), WHOLE)


@pytest.mark.parametrize("left_out", ["messagesTotal", "messagesUnread"])
def test_messages_whose_count_is_left_out_are_counted_by_lists(
    gmail: ScriptedGmail, left_out: str
) -> None:
    script_labels(gmail, "INBOX")
    counts = {"id": "INBOX", "messagesTotal": 9, "messagesUnread": 9}
    del counts[left_out]
    lists = [answer({"messages": [{"id": each} for each in ids]}) for ids in ("abcd", "bc", "c")]
    gmail.script(labels__INBOX=answer(counts), messages=lists)

    inbox, _ = gmail.mailbox.list_folders((), WHOLE).folders

    queries = [each.query_string for each in gmail.requests if each.path.endswith("/messages")]
    assert [re.findall("labelIds=([A-Z]+)", each) for each in queries] == [
        *(["INBOX"], ["INBOX", "UNREAD"], ["CHAT"])
    ]
    assert (inbox.message_count, inbox.unread_message_count) == (3, 1)  # without a chat, c


def test_a_colour_changes_nothing(gmail: ScriptedGmail) -> None:
    script_labels(gmail, *NAMES)
    plain = gmail.mailbox.list_folders((), QUICK)
    colour = {"textColor": "#ffffff", "backgroundColor": "#076239"}
    items = [{"id": each, "name": each.lower(), "type": "user", "color": colour} for each in NAMES]
    gmail.script(labels=answer({"labels": items}))

    assert gmail.mailbox.list_folders((), QUICK) == plain
