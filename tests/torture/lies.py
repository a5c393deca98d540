"""Answers that are well-formed and wrong: to one request, in one sync, or for an hour."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from localdev.simulators.faults import Fault, FaultRule
from localdev.simulators.mailbox import Mailbox
from tests.support.comparison import ProviderForm
from tests.support.outlook_form import OutlookForm

TARGETS = {
    "folder feed": "/mailFolders/delta",
    "folder lists": "/mailFolders(/delta)?([?]|$)|/childFolders",
    "top level": "/mailFolders([?]|$)",
    "children": "/childFolders",
    "folder": "/mailFolders/[^/?]+([?]|$)",
    "message feed": "/messages/delta",
    "message list": "/mailFolders/[^/]+/messages([?]|$)",
    "message": "/me/messages/",
    "messages": "/messages",
    "everything": "",
}
ANSWERS = {
    "nothing": Fault(page="nothing"),
    "no next link": Fault(page="no link"),
    "less": Fault(page="less"),
    "ids and etags": Fault(page="partial"),
    "old": Fault(page="old"),
    "no removals": Fault(page="no removals"),
    "no changes": Fault(page="no changes"),
    "removed": Fault(page="removed"),
    "one more": Fault(page="miscounted", off_by=1),
    "one fewer": Fault(page="miscounted", off_by=-1),
    "no counts": Fault(page="uncounted"),
    "400 malformed": Fault(status=400, code="ErrorInvalidIdMalformed"),
    "401": Fault(status=401, code="InvalidAuthenticationToken"),
    "403": Fault(status=403, code="ErrorAccessDenied"),
    "403 other": Fault(status=403, code="Forbidden"),
    "404 item": Fault(status=404, code="ErrorItemNotFound"),
    "404 foreign": Fault(status=404, code="ErrorInvalidMailboxItemId"),
    "404 folder": Fault(status=404, code="ErrorFolderNotFound"),
    "404 resource": Fault(status=404, code="ResourceNotFound"),
    "404 mailbox": Fault(status=404, code="MailboxNotEnabledForRESTAPI"),
    "404 nameless": Fault(status=404, body=""),
    "500 conversion": Fault(status=500, code="ErrorContentConversionFailed"),
    "500 nameless": Fault(status=500, body=""),
}
_REFUSED = tuple(name for name, fault in ANSWERS.items() if fault.status)
_FEWER = ("nothing", "no next link", "less", "old")
_COUNTED = ("one more", "one fewer", "no counts")
_SINGLE: Mapping[str, tuple[str, ...]] = {
    "folder feed": (*_FEWER, *_COUNTED, *_REFUSED, "ids and etags", "removed"),
    "folder lists": (*_FEWER, *_COUNTED, *_REFUSED, "ids and etags"),
    "top level": (*_FEWER, *_COUNTED, *_REFUSED),
    "children": (*_FEWER, *_COUNTED, *_REFUSED),
    "folder": ("old", *_COUNTED, *_REFUSED, "ids and etags"),
    "message feed": (*_FEWER, *_REFUSED, "ids and etags", "no removals", "no changes", "removed"),
    "message list": (*_FEWER, *_REFUSED, "ids and etags"),
    "message": ("old", *_REFUSED, "ids and etags"),
    "messages": (*_FEWER, *_REFUSED, "ids and etags"),
    "everything": (*_FEWER, *_REFUSED, "ids and etags"),
}
CONSISTENT: Mapping[str, tuple[tuple[str, str], ...]] = {
    "a folder is gone": (("folder lists", "less"), ("folder", "404 item")),
    "a folder and its mail are gone": (
        ("folder lists", "less"),
        ("folder", "404 folder"),
        ("messages", "404 item"),
    ),
    "all ids are of another mailbox": (
        ("folder", "404 foreign"),
        ("message feed", "404 foreign"),
        ("message list", "404 foreign"),
        ("message", "404 foreign"),
    ),
    "a message is gone": (
        *(("message feed", "less"), ("message list", "less")),
        ("message", "404 item"),
    ),
    "a message was removed": (("message feed", "removed"), ("message", "404 item")),
    "every message was removed": (("message feed", "removed"), ("message list", "nothing")),
    "a message is as it was": (("message feed", "less"), ("message", "old")),
    "nothing has changed": (("messages", "old"), ("folder lists", "old")),
}
LIES: Mapping[str, tuple[tuple[str, str], ...]] = {
    **{
        f"{target}: {answer}": ((target, answer),)
        for target, answers in _SINGLE.items()
        for answer in answers
    },
    **CONSISTENT,
}
"""Each by what is answered to which requests; those of several answers agree with each other."""
_OF_MESSAGES = frozenset({"message", "messages", "message feed", "message list"})
_GONE = frozenset(
    {
        "ErrorItemNotFound",
        "ErrorFolderNotFound",
        "ErrorInvalidIdMalformed",
        "ErrorInvalidMailboxItemId",
    }
)
_LISTS = re.compile(f"{TARGETS['folder lists']}|(^| )LIST |/labels([?]|$)")


@dataclass(frozen=True)
class Lie:
    """The answers to the `nth` request that they concern and those after it, so many `times`; None:
    in the whole sync. They are told in so many `syncs`, as long as these lie within an hour.

    `about` chooses the one message or folder that is concerned; None: many are. `in_batch`: only
    items of batches are answered so, or only other requests.
    """

    name: str
    nth: int = 1
    times: int | None = None
    syncs: int = 1
    about: int | None = None
    in_batch: bool | None = None

    def rules(self, mailbox: Mailbox, form: ProviderForm) -> list[FaultRule]:
        """What the server answers; nothing for the toy provider, which has no server."""
        if self.name not in LIES:
            return []
        chosen = None if self.about is None else self._chosen(mailbox, self.about)
        return [self._rule(target, answer, chosen) for target, answer in LIES[self.name]]

    def _rule(self, target: str, answer: str, chosen: str | None) -> FaultRule:
        fault, path = ANSWERS[answer], TARGETS[target]
        if chosen and fault.page:
            fault = replace(fault, about=(chosen,))
        elif chosen and target in ("folder", "message"):
            path = f"/{chosen}([?]|$)"
        elif chosen and target == "messages":
            path = f"{chosen}('[)])?/messages"
        return FaultRule(
            fault=fault, path=path, nth=self.nth, times=self.times, in_batch=self.in_batch
        )

    def _chosen(self, mailbox: Mailbox, number: int) -> str:
        folders = mailbox.folders.list_all_folders()
        form = OutlookForm(mailbox)
        ids = [form.folder_id(folder.number) for folder in folders]
        if LIES[self.name][0][0] in _OF_MESSAGES:
            found = mailbox.list_messages_in_folders(*(folder.number for folder in folders))
            ids = [
                form.message_id(number) for number in sorted(m.message_number for m in found)
            ] or ids
        return ids[number % len(ids)]


@dataclass(frozen=True)
class Told:
    """What was said that is wrong, in one sync: to which request, and by which fault."""

    lies: tuple[tuple[str, Fault], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.lies)

    def miscounts(self, folder_id: str) -> bool:
        """Whether the provider named wrong counts of the folder."""
        return any(
            fault.page == "old" or (fault.page == "miscounted" and _concerns(fault, folder_id))
            for _, fault in self._of_folders()
        )

    def denies(self, folder_id: str) -> bool:
        """Whether the provider, asked by its id, said that there is no such folder."""
        return any(
            path.partition("?")[0].endswith(f"/mailFolders/{folder_id}")
            if fault.code in _GONE
            else fault.status == 404 and path.endswith(f"/labels/{folder_id}")
            for path, fault in self._of_folders()
        )

    @property
    def hides_folders(self) -> bool:
        """Whether a well-formed list lacked folders; no sync can notice an unknown one."""
        fewer = {ANSWERS[name].page for name in (*_FEWER, "removed")}
        return any(fault.page in fewer for path, fault in self.lies if _LISTS.search(path))

    def _of_folders(self) -> Iterator[tuple[str, Fault]]:
        return (lie for lie in self.lies if "/messages" not in lie[0])


def _concerns(fault: Fault, remote_id: str) -> bool:
    return not fault.about or remote_id in fault.about
