"""Answers of the Gmail API that are well-formed and wrong, and how its requests fail."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from localdev.simulators.faults import Fault, FaultRule
from localdev.simulators.mailbox import Mailbox
from tests.support.comparison import ProviderForm
from tests.torture.lies import Lie

TARGETS = {
    "profile": "/profile",
    "labels": "/labels([?]|$)",
    "label": "/labels/[^/?]+",
    "list": "/messages([?]|$)",
    "label list": "/messages[?].*labelIds=",
    "history": "/history",
    "message": "/messages/[^/?]+",
    "thread": "/threads/[^/?]+",
    "anything": "/gmail/v1/",
}
ANSWERS = {
    "nothing": Fault(page="nothing"),
    "less": Fault(page="less"),
    "the first page only": Fault(page="no link"),
    "everything twice": Fault(page="duplicate"),
    "an empty page": Fault(page="empty"),
    "ids only": Fault(page="partial"),
    "no removals": Fault(page="no removals"),
    "no additions": Fault(page="no changes"),
    "deleted": Fault(page="removed"),
    "one more": Fault(page="miscounted", off_by=1),
    "one fewer": Fault(page="miscounted", off_by=-1),
    "no counts": Fault(page="uncounted"),
    "an older historyId": Fault(page="earlier changes", off_by=40),
    "404": Fault(status=404),
    "precondition": Fault(status=400),
}
_SINGLE: Mapping[str, tuple[str, ...]] = {
    "profile": ("an older historyId",),
    "labels": ("nothing", "less", "everything twice", "ids only"),
    "label": ("404", "one more", "one fewer", "no counts", "ids only"),
    "list": ("nothing", "less", "the first page only", "everything twice", "ids only", "404"),
    "label list": ("nothing", "less", "the first page only", "everything twice"),
    "history": (
        *("nothing", "less", "the first page only", "everything twice", "no removals"),
        *("no additions", "deleted", "an older historyId", "404", "an empty page"),
    ),
    "message": ("404", "ids only", "precondition"),
    "thread": ("404", "ids only", "less"),
    "anything": ("404",),
}
_AGREEING: Mapping[str, tuple[tuple[str, str], ...]] = {
    "a message is gone": (("list", "less"), ("message", "404"), ("thread", "404")),
    "every message is gone": (("list", "nothing"), ("message", "404"), ("thread", "404")),
    "a label is gone": (("labels", "less"), ("label", "404")),
    "no change is reported": (("history", "nothing"), ("profile", "an older historyId")),
}
GMAIL_LIES: Mapping[str, tuple[tuple[str, str], ...]] = {
    **{
        f"{target}: {answer}": ((target, answer),)
        for target, answers in _SINGLE.items()
        for answer in answers
    },
    **_AGREEING,
}
"""Each by what is answered to which requests; those of several answers agree with each other."""
GMAIL_FAULTS = {
    "closed before the answer": Fault(cut="before answer"),
    "closed within the answer": Fault(cut="mid body"),
    "half a document": Fault(truncate_json=True),
    "503": Fault(status=503),
    "a page of HTML": Fault(status=502, html=True),
    "HTML with 200": Fault(html=True),
    "the quota": Fault(status=403),
    "the quota, with a time": Fault(status=429, retry_after=2),
    "too many at once": Fault(
        status=429, code="rateLimitExceeded", message="Too many concurrent requests for user"
    ),
    "precondition": Fault(status=400),
}
_OF_LABELS = frozenset({"labels", "label"})


@dataclass(frozen=True)
class GmailLie(Lie):
    """`about` chooses the one label or message that is concerned."""

    def rules(self, mailbox: Mailbox, form: ProviderForm) -> list[FaultRule]:
        folders = mailbox.folders.list_all_folders()
        labels = sorted({form.folder_id(each.number) for each in folders})
        found = mailbox.list_messages_in_folders(*(each.number for each in folders))
        messages = sorted(form.message_id(each.message_number) for each in found) or ["0"]
        return [self._gmail_rule(*each, labels, messages) for each in GMAIL_LIES[self.name]]

    def _gmail_rule(
        self, target: str, answer: str, labels: list[str], messages: list[str]
    ) -> FaultRule:
        fault, path = ANSWERS[answer], TARGETS[target]
        if self.about is not None:
            things = labels if target in _OF_LABELS else messages
            chosen = things[self.about % len(things)]
            if target in ("label", "message"):
                path = f"/{chosen}([?]|$)"
            elif fault.page:
                fault = replace(fault, about=(chosen,))
        return FaultRule(fault=fault, path=path, nth=self.nth, times=self.times)
