"""Forge responses of the IMAP server. `faults.Fault.page` names the forgery."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from localdev.simulators.faults import Fault
from localdev.simulators.imap.response import (
    FetchResponse,
    FolderStatusResponse,
    NumberListResponse,
    PrerenderedResponse,
    SingleNumberResponse,
    UntaggedResponse,
    vanished_response,
)

_COUNTS = ("EXISTS", "MESSAGES", "UNSEEN")
_OPTIONAL = ("UIDNEXT", "HIGHESTMODSEQ", "UIDVALIDITY")
_ITEMS = ("LIST", "LSUB", "STATUS", "FETCH", "SEARCH")
_Forgery = Callable[[Iterable[UntaggedResponse], Fault], Iterator[UntaggedResponse]]


def corrupt_responses(
    responses: Iterable[UntaggedResponse], fault: Fault
) -> Iterator[UntaggedResponse]:
    """Yield the responses, changed by the forgery that `fault.page` names. Yield the responses
    unchanged if `fault.page` is None or IMAP has no such forgery."""
    forgery = _FORGERIES.get(fault.page or "")
    return forgery(responses, fault) if forgery else iter(responses)


def _nothing(responses: Iterable[UntaggedResponse], _: Fault) -> Iterator[UntaggedResponse]:
    for each in responses:
        if isinstance(each, NumberListResponse) and each.response_name == "SEARCH":
            yield replace(each, numbers=())
        elif each.response_name not in (*_ITEMS, "VANISHED"):
            yield each


def _less(responses: Iterable[UntaggedResponse], fault: Fault) -> Iterator[UntaggedResponse]:
    """Leave out the folders or UIDs in `fault.about`. If `fault.about` is empty, leave out every
    second folder or message."""
    number = 0
    for each in responses:
        if isinstance(each, NumberListResponse) and each.response_name == "SEARCH":
            yield replace(each, numbers=_fewer(each.numbers, fault))
        elif each.response_name not in _ITEMS or isinstance(
            each, NumberListResponse | SingleNumberResponse
        ):
            yield each
        else:
            number += 1
            if each.folder_name_or_uid_for_faults not in fault.about if fault.about else number % 2:
                yield each


def _fewer(numbers: Sequence[int], fault: Fault) -> Sequence[int]:
    if fault.about:
        return [each for each in numbers if str(each) not in fault.about]
    return numbers[::2]


def _duplicate(responses: Iterable[UntaggedResponse], _: Fault) -> Iterator[UntaggedResponse]:
    for each in responses:
        yield each
        yield each


def _partial(responses: Iterable[UntaggedResponse], fault: Fault) -> Iterator[UntaggedResponse]:
    """Leave only the UID in FETCH responses, and no item in STATUS responses."""
    for each in responses:
        if isinstance(each, FetchResponse) and _is_about(each, fault):
            yield replace(
                each,
                data_item_name_value_pairs=tuple(
                    item for item in each.data_item_name_value_pairs if item[0] == "UID"
                ),
            )
        elif isinstance(each, FolderStatusResponse) and _is_about(each, fault):
            yield replace(each, value_by_item={})
        else:
            yield each


def _without(kind: str) -> _Forgery:
    def forge(responses: Iterable[UntaggedResponse], _: Fault) -> Iterator[UntaggedResponse]:
        return (each for each in responses if each.response_name != kind)

    return forge


def _removed(responses: Iterable[UntaggedResponse], fault: Fault) -> Iterator[UntaggedResponse]:
    """Replace the FETCH responses by one VANISHED response with their UIDs."""
    gone = []
    for each in responses:
        if isinstance(each, FetchResponse) and _is_about(each, fault):
            gone.append(each.uid)
        else:
            yield each
    if gone:
        yield vanished_response(gone, earlier=True)


def _changed_numbers(names: tuple[str, ...], sign: int) -> _Forgery:
    """Return the forgery that adds `sign * fault.off_by` to the numbers with these names."""

    def changed(name: str, number: int | str, fault: Fault) -> int | str:
        if name not in names or not isinstance(number, int):
            return number
        return max(number + sign * fault.off_by, 0)

    def forge(responses: Iterable[UntaggedResponse], fault: Fault) -> Iterator[UntaggedResponse]:
        for each in responses:
            if isinstance(each, SingleNumberResponse) and each.response_name in names:
                yield replace(
                    each,
                    reported_number=int(changed(each.response_name, each.reported_number, fault)),
                )
            elif isinstance(each, FolderStatusResponse) and _is_about(each, fault):
                values = {
                    name: changed(name, value, fault) for name, value in each.value_by_item.items()
                }
                yield replace(each, value_by_item=values)
            else:
                yield each

    return forge


def _uncounted(responses: Iterable[UntaggedResponse], fault: Fault) -> Iterator[UntaggedResponse]:
    for each in responses:
        if isinstance(each, FolderStatusResponse) and _is_about(each, fault):
            yield replace(each, value_by_item={})
        elif not isinstance(each, SingleNumberResponse) or each.response_name not in _OPTIONAL:
            yield each


def _is_about(
    response: PrerenderedResponse | FolderStatusResponse | FetchResponse, fault: Fault
) -> bool:
    return not fault.about or response.folder_name_or_uid_for_faults in fault.about


_FORGERIES: dict[str, _Forgery] = {
    "empty": _nothing,
    "nothing": _nothing,
    "less": _less,
    "duplicate": _duplicate,
    "partial": _partial,
    "no removals": _without("VANISHED"),
    "no changes": _without("FETCH"),
    "removed": _removed,
    "miscounted": _changed_numbers(_COUNTS, 1),
    "uncounted": _uncounted,
    "renumbered": _changed_numbers(("UIDVALIDITY",), 1),
    "earlier changes": _changed_numbers(("HIGHESTMODSEQ",), -1),
}
