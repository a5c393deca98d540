"""Answers of an IMAP server that are well-formed and wrong, and how its connections fail."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from localdev.simulators.faults import Fault, FaultRule
from localdev.simulators.mailbox import Mailbox
from tests.support.comparison import ProviderForm
from tests.support.imap_form import ImapForm
from tests.torture.lies import Lie

TARGETS = {
    "LIST": " LIST ",
    "STATUS": " STATUS ",
    "counts": " (LIST|STATUS|EXAMINE) ",
    "EXAMINE": " EXAMINE ",
    "SEARCH": "UID SEARCH ",
    "FETCH": "UID FETCH ",
    "list FETCH": r"UID FETCH .*HEADER\.FIELDS",
    "state FETCH": r"UID FETCH (?!.*BODY)",
    "body FETCH": r"UID FETCH .*BODY\.PEEK\[\]",
    "messages": "UID (SEARCH|FETCH) ",
    "anything": " (LIST|STATUS|EXAMINE|UID SEARCH|UID FETCH) ",
}
ANSWERS = {
    "nothing": Fault(page="nothing"),
    "less": Fault(page="less"),
    "everything twice": Fault(page="duplicate"),
    "UIDs only": Fault(page="partial"),
    "no removals": Fault(page="no removals"),
    "no changes": Fault(page="no changes"),
    "removed": Fault(page="removed"),
    "one more": Fault(page="miscounted", off_by=1),
    "one fewer": Fault(page="miscounted", off_by=-1),
    "no counts": Fault(page="uncounted"),
    "numbered anew": Fault(page="renumbered"),
    "earlier changes": Fault(page="earlier changes", off_by=5),
    "NO": Fault(imap="NO"),
    "NO such folder": Fault(imap="NO", code="NONEXISTENT", message="Mailbox doesn't exist"),
    "BAD": Fault(imap="BAD"),
    "NO now": Fault(imap="NO", code="UNAVAILABLE"),
}
_REFUSED = ("NO", "NO such folder", "BAD", "NO now")
_COUNTED = ("one more", "one fewer", "no counts")
_SINGLE: Mapping[str, tuple[str, ...]] = {
    "LIST": ("nothing", "less", "everything twice", "UIDs only", *_COUNTED, *_REFUSED),
    "STATUS": ("nothing", "UIDs only", *_COUNTED, *_REFUSED),
    "counts": (*_COUNTED, "numbered anew", "earlier changes"),
    "EXAMINE": (*_COUNTED, *_REFUSED, "numbered anew", "earlier changes"),
    "SEARCH": ("nothing", "less", "everything twice", *_REFUSED),
    "FETCH": ("nothing", "less", "everything twice", "UIDs only", *_REFUSED),
    "list FETCH": ("nothing", "less", "UIDs only", "removed"),
    "state FETCH": ("nothing", "less", "no removals", "no changes", "removed"),
    "body FETCH": ("nothing", "less", "UIDs only", *_REFUSED),
    "messages": ("nothing", "less", *_REFUSED),
    "anything": ("nothing", "less", *_REFUSED),
}
_AGREEING: Mapping[str, tuple[tuple[str, str], ...]] = {
    "a folder is gone": (("LIST", "less"), ("STATUS", "NO such folder"), ("EXAMINE", "NO")),
    "a message is gone": (("messages", "less"), ("counts", "one fewer")),
    "every message is gone": (("messages", "nothing"),),
    "no change is reported": (("FETCH", "no changes"), ("FETCH", "no removals")),
}
IMAP_LIES: Mapping[str, tuple[tuple[str, str], ...]] = {
    **{
        f"{target}: {answer}": ((target, answer),)
        for target, answers in _SINGLE.items()
        for answer in answers
    },
    **_AGREEING,
}
"""Each by what is answered to which commands; those of several answers agree with each other."""
IMAP_FAULTS = {
    "closed before the answer": Fault(cut="before answer"),
    "closed within the answer": Fault(cut="mid body"),
    "BYE": Fault(imap="BYE"),
    "too many connections": Fault(imap="NO", code="LIMIT"),
    "throttled": Fault(
        imap="BAD", message="Request is throttled. Suggested Backoff Time: 200 milliseconds"
    ),
}
_OF_FOLDERS = frozenset({"LIST", "STATUS", "counts", "EXAMINE"})


@dataclass(frozen=True)
class ImapLie(Lie):
    """`about` chooses the one folder or message that is concerned."""

    def rules(self, mailbox: Mailbox, form: ProviderForm) -> list[FaultRule]:
        folders = mailbox.folders.list_all_folders()
        names = sorted(form.folder_id(each.number) for each in folders)
        found = mailbox.list_messages_in_folders(*(each.number for each in folders))
        assert isinstance(form, ImapForm)
        uids = sorted(form.uid(each.message_number) for each in found) or ["0"]
        return [self._imap_rule(*each, names, uids) for each in IMAP_LIES[self.name]]

    def _imap_rule(self, target: str, answer: str, names: list[str], uids: list[str]) -> FaultRule:
        fault, path = ANSWERS[answer], TARGETS[target]
        if self.about is not None:
            things = names if target in _OF_FOLDERS else uids
            chosen = things[self.about % len(things)]
            if target in ("STATUS", "EXAMINE"):
                path = f'{path}"{chosen}"'
            if fault.page:
                fault = replace(fault, about=(chosen,))
        return FaultRule(fault=fault, path=path, nth=self.nth, times=self.times)
