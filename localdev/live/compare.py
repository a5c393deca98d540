"""Compare the record of a real provider with the record of its simulator."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

JsonObject = Mapping[str, Any]
MIN_REPORTED_LATENCY_RATIO = 10
"""Quotient of two latencies from which on they count as different. Smaller differences depend on
the machine and the network."""


def find_differences(live: JsonObject, simulated: JsonObject) -> list[str]:
    """Return one line for each way in which the real provider's responses differ from the
    simulator's. If several kinds of requests have the same difference, one line names all of these
    kinds.

    It is no difference if only the simulator sent a response, because the response may depend on
    the mailbox: perhaps no request was throttled. For the same reason it is no difference if only
    the simulator sent a field, unless the simulator sent the field in every such object.

    live, simulated: records of the real provider and of the simulator, see
        `Recorder.summarise_responses`.
    """
    kinds_by_text: dict[str, list[str]] = defaultdict(list)
    for kind, responses in live.items():
        if kind not in simulated:
            kinds_by_text["the simulator received no such request"].append(kind)
            continue
        for status, seen in responses.items():
            for text in _differences(status, seen, simulated[kind]):
                kinds_by_text[text].append(kind)
    return sorted(f"{text}  [{'; '.join(kinds)}]" for text, kinds in kinds_by_text.items())


def find_simulator_only_requests(live: JsonObject, simulated: JsonObject) -> list[str]:
    """Return the kinds of requests that Mailsync sent to the simulator and not to the real
    provider. The comparison says nothing about their responses."""
    return sorted(kind for kind in simulated if kind not in live)


def _differences(status: str, live: JsonObject, simulated_by_status: JsonObject) -> Iterator[str]:
    of_status = f"status {status}"
    simulated = simulated_by_status.get(status)
    if simulated is None:
        forms = {name: each["forms"] for name, each in live["fields"].items()}
        yield f"{of_status}: the simulator did not answer so; its body: {_listed(forms)}"
        return
    yield from _members(f"{of_status}, header", live["headers"], simulated["headers"])
    yield from _members(f"{of_status}, field", live["fields"], simulated["fields"])
    if simulated["pages"] and (new := _new(live["pages"], simulated["pages"])):
        yield f"page size: {new} items instead of {', '.join(simulated['pages'])}"
    for name, seconds in live["seconds"].items():
        before = simulated["seconds"][name]
        if name == "p50" and not _is_near(seconds, before):
            yield f"latency, {name}: {seconds} s instead of {before} s"


def _members(what: str, live: JsonObject, simulated: JsonObject) -> Iterator[str]:
    """Yield the differences of headers or fields, in the order of their paths. The fields of an
    object are compared only if both records contain an object at the same path."""
    met = [{_parent(path) for path in members} for members in (live, simulated)]
    for path in sorted({*live, *simulated}):
        each, before = live.get(path), simulated.get(path)
        if each and before:
            yield from (f"{what} {path}: {text}" for text in _of_member(each, before))
        elif each and _parent(path) in met[1]:
            yield f"{what} {path}: unknown to the simulator ({', '.join(each['forms'])})"
        elif before and before["presence"] == "always" and _parent(path) in met[0]:
            yield f"{what} {path}: missing"


def _of_member(live: JsonObject, simulated: JsonObject) -> Iterator[str]:
    if live["presence"] != "always" and simulated["presence"] == "always":
        yield "sometimes missing"
    for name, label in (("forms", ""), ("sizes", "size ")):
        if new := _new(live[name], simulated[name]):
            yield f"{label}{new} instead of {', '.join(simulated[name])}"


def _parent(path: str) -> str:
    """Return the path of the object that contains the field with this path. Return "" if the field
    belongs to the whole document."""
    return path.rpartition("/")[0]


def _new(live: list[str], simulated: list[str]) -> str:
    """Return the words that only the record of the real provider contains, joined by commas."""
    return ", ".join(each for each in live if each not in simulated)


def _is_near(one: str, other: str) -> bool:
    ends = sorted(float(each.rpartition("–")[2]) for each in (one, other))
    return ends[1] < MIN_REPORTED_LATENCY_RATIO * ends[0]


def _listed(forms: Mapping[str, list[str]]) -> str:
    return ", ".join(f"{name} ({', '.join(each)})" for name, each in forms.items()) or "no JSON"
