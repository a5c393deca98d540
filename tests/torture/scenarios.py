"""Syncs that are killed at every moment, each with what happened to its mailbox before."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from localdev.simulators.faults import Fault, FaultRule
from localdev.simulators.mailbox import Mailbox
from tests.support.outlook_form import OutlookForm
from tests.torture.changes import change_everything
from tests.torture.gmail_changes import GMAIL_OWNER_KINDS, change_gmail
from tests.torture.stage import Stage

GONE = Fault(status=404, code="ErrorItemNotFound")
CONFIRMED_H = 2.1
"""Longer than what lies between the two answers that delete something."""
COMPARED_H = 8 * 24
"""Longer than the ids of a folder may wait for their comparison."""


@dataclass(frozen=True)
class Scenario:
    """`prepare` leads to the moment before the sync, during which the `faults` strike.

    `shows` counts what it is about: before the sync, or after it if it `mends` what the pages
    before it did not say, or if its execution hands it over after `max_events`. `messages` are
    those of the mailbox. `sliced_from`: see `Order`.
    """

    prepare: Callable[[Stage], object]
    shows: str
    faults: Callable[[Mailbox], Sequence[FaultRule]] = lambda _: ()
    mends: bool = False
    messages: int = 40
    max_events: int | None = None
    sliced_from: int | None = None

    @property
    def is_shown_after(self) -> bool:
        return self.mends or self.max_events is not None


def _nothing(stage: Stage) -> None:
    """The first sync."""


def _changes(stage: Stage) -> None:
    """A change of each kind."""
    stage.sync(is_forked=False)
    change_everything(stage.mailbox)


def _removals(stage: Stage) -> None:
    """Messages and folders are hidden, and are deleted by the second answer."""
    _changes(stage)
    stage.sync(is_forked=False)
    stage.pass_time(CONFIRMED_H)


def _returns(stage: Stage) -> None:
    """A folder was hidden in error with its mail, and a message of another one."""
    stage.sync(is_forked=False)
    mailbox = stage.mailbox
    form = OutlookForm(mailbox)
    number = mailbox.list_messages_in_folders("inbox")[0].message_number
    folder, message = form.folder_id("archive"), form.message_id(number)
    mailbox.move_message(number, "archive")
    mailbox.move_message(number, "inbox")
    lists = "/mailFolders(/delta)?[?]|/childFolders"
    stage.service.faults.add_rules(
        FaultRule(fault=Fault(page="less", about=(folder,)), path=lists, times=None),
        FaultRule(fault=GONE, path=f"/mailFolders/{folder}", times=None),
        FaultRule(fault=GONE, path=f"/messages/{message}", times=None),
    )
    stage.sync(is_forked=False)
    stage.service.faults.remove_all_rules()


def _silence(stage: Stage) -> None:
    """Changes were never reported; a comparison of ids finds them a week later."""
    stage.sync(is_forked=False)
    mailbox = stage.mailbox
    moved, purged, flagged, changed = (
        each.message_number for each in mailbox.list_messages_in_folders("inbox")[:4]
    )
    mailbox.move_message(moved, "archive")
    mailbox.copy_message(changed, "inbox")
    mailbox.delete_message_from_database(purged)
    mailbox.set_message_flagged(flagged)
    mailbox.change_message_fields(changed, subject="changed in silence", is_read=True)
    swallowed = Fault(page="nothing")
    stage.service.faults.add_rules(FaultRule(fault=swallowed, path="/messages/delta", times=None))
    stage.sync(is_forked=False)
    stage.service.faults.remove_all_rules()
    stage.pass_time(COMPARED_H)


def _new_ids(stage: Stage) -> None:
    """All folders are numbered anew, one is renamed, and messages moved meanwhile."""
    stage.sync(is_forked=False)
    mailbox = stage.mailbox
    mailbox.expire_cursors()
    for folder in mailbox.folders.list_all_folders():
        if folder.name == "Projects":
            mailbox.rename_folder(folder.number, "Projekte")
    moved, copied, purged = (
        each.message_number for each in mailbox.list_messages_in_folders("inbox")[:3]
    )
    mailbox.move_message(moved, "archive")
    mailbox.copy_message(copied, "archive")
    mailbox.delete_message_from_database(purged)


def _owner_acts(stage: Stage) -> None:
    """A change of each kind that Gmail knows."""
    stage.sync(is_forked=False)
    for number, kind in enumerate(GMAIL_OWNER_KINDS):
        if kind != "gmail history expires":
            change_gmail(stage.mailbox, kind, 3 * number + 1, number)


def _gmail_removals(stage: Stage) -> None:
    """Messages and labels are hidden, and are deleted by the second answer."""
    _owner_acts(stage)
    stage.sync(is_forked=False)
    stage.pass_time(CONFIRMED_H)


def _history_expires(stage: Stage) -> None:
    """The history ends after a change of each kind."""
    _owner_acts(stage)
    stage.mailbox.expire_cursors()


def _broken_feed(mailbox: Mailbox) -> Sequence[FaultRule]:
    """Two folders have no page, however small, and one not even without bodies."""
    inbox, archive = map(OutlookForm(mailbox).folder_id, ("inbox", "archive"))
    fault = Fault(status=500)
    return (
        FaultRule(fault=fault, path=f"{archive}/messages/delta[?].*body", times=None),
        FaultRule(fault=fault, path=f"{inbox}/messages/delta", times=None),
    )


SCENARIOS = {
    "initial": Scenario(_nothing, "SELECT 1"),
    "incremental": Scenario(_changes, "SELECT count(*) FROM mailsync.emails"),
    "removal": Scenario(_removals, "SELECT count(gone_at) FROM mailsync.email_folders"),
    "return": Scenario(_returns, "SELECT sum(repair_rounds) FROM mailsync.sync_runs", mends=True),
    "comparison": Scenario(
        _silence, "SELECT sum(repair_rounds) FROM mailsync.sync_runs", mends=True, messages=15
    ),
    "fallback": Scenario(
        _nothing,
        "SELECT max(fallback) - 1 FROM mailsync.change_feeds",
        _broken_feed,
        mends=True,
        messages=15,
    ),
    "handed-over": Scenario(
        _nothing,
        "SELECT count(*) FROM mailsync.sync_runs WHERE execution_name = id || '-3'",
        max_events=78,
    ),
}
SCENARIOS |= {
    "sliced": Scenario(_nothing, "SELECT 1", sliced_from=8),
    "sliced-incremental": Scenario(_changes, "SELECT count(*) FROM mailsync.emails", sliced_from=8),
}
IMAP_SCENARIOS = {
    **{name: SCENARIOS[name] for name in ("initial", "incremental", "removal")},
    "renumbered": Scenario(_new_ids, "SELECT count(*) FROM mailsync.emails"),
}
"""The faults of most others are Microsoft Graph's. Runs are handed over in the random histories."""
GMAIL_SCENARIOS = {
    "initial": SCENARIOS["initial"],
    "incremental": Scenario(_owner_acts, "SELECT count(*) FROM mailsync.emails"),
    "removal": Scenario(_gmail_removals, "SELECT count(gone_at) FROM mailsync.email_folders"),
    "expired": Scenario(
        _history_expires, "SELECT sum(repair_rounds) FROM mailsync.sync_runs", mends=True
    ),
}
SCENARIOS_BY_PROVIDER = {"graph": SCENARIOS, "imap": IMAP_SCENARIOS, "gmail": GMAIL_SCENARIOS}
ALL_SCENARIOS = {**SCENARIOS, **IMAP_SCENARIOS, **GMAIL_SCENARIOS}
