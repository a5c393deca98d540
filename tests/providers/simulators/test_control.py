"""The control API `/_sim/` speaks in Graph's ids, properties and well-known names."""

from typing import Any

import httpx

from localdev.simulators import Simulators
from localdev.simulators.mailbox import Mailbox
from tests.providers.simulators.test_faults import control


def act(simulators: Simulators, mailbox: Mailbox, action: str, **fields: Any) -> Any:
    response = control(simulators, "POST", action, mailbox=mailbox.address, **fields)
    assert response.status_code == 200, response.text
    return response.json().get("id")


def shown(simulators: Simulators, mailbox: Mailbox, folder: str) -> list[dict[str, Any]]:
    query = f"messages?mailbox={mailbox.address}&folder={folder}"
    found: list[dict[str, Any]] = control(simulators, "GET", query).json()
    return found


def test_changed_and_copied_messages_are_shown_in_graphs_terms(
    simulators: Simulators, mailbox: Mailbox, graph: httpx.Client
) -> None:
    def do(action: str, **fields: Any) -> Any:
        return act(simulators, mailbox, action, **fields)

    message = do("deliver", subject="Hello", to=[{"name": "Bo", "address": "bo@example.com"}])
    copied = do("copy", id=message, destination="sentitems")
    draft = do("deliver", subject="Draft", is_draft=True, folder="drafts")
    changes = {"subject": "Changed", "flag": {"flagStatus": "flagged"}, "importance": "high"}
    do("update", id=message, changes={**changes, "inferenceClassification": "other"})
    do("update", id=message, changes={"categories": "no list"})
    do("mark-read", id=message)
    [default] = [each["mutable_id"] for each in shown(simulators, mailbox, "inbox")]
    assert do("move", id=default, destination="archive") == message
    assert do("send-draft", id=draft) == draft

    [archived] = shown(simulators, mailbox, "archive")
    assert (archived["immutable_id"], archived["is_read"]) == (message, True)
    assert changes.items() <= archived["properties"].items()
    served = graph.get(f"/me/messages/{message}").json()
    assert (served["inferenceClassification"], served["categories"]) == ("other", "no list")
    sent = shown(simulators, mailbox, "sentitems")
    assert {each["immutable_id"] for each in sent} == {copied, draft}
    assert not any(each["properties"]["isDraft"] for each in sent)


def test_deleted_and_restored_messages_are_shown_in_graphs_terms(
    simulators: Simulators, mailbox: Mailbox, graph: httpx.Client
) -> None:
    def do(action: str, **fields: Any) -> Any:
        return act(simulators, mailbox, action, **fields)

    message = do("deliver", subject="Hello")
    do("delete", id=message)
    do("delete", id=message)
    [deleted] = shown(simulators, mailbox, "recoverableitemsdeletions")
    assert do("restore", id=deleted["immutable_id"]) == message
    renewed = do("renew-immutable-id", id=message)
    assert [each["immutable_id"] for each in shown(simulators, mailbox, "inbox")] == [renewed]
    do("delete-permanently", id=renewed)
    do("purge", id=renewed)
    assert graph.get(f"/me/messages/{renewed}").status_code == 404


def test_what_is_done_to_folders_is_shown_in_graphs_terms(
    simulators: Simulators, mailbox: Mailbox
) -> None:
    def do(action: str, **fields: Any) -> Any:
        return act(simulators, mailbox, action, **fields)

    outer = do("create-folder", name="Outer")
    inner = do("create-folder", name="Inner", parent=outer, hidden=True)
    do("rename-folder", folder=outer, name="Renamed")
    do("move-folder", folder=inner, parent="msgfolderroot")
    do("expire-delta-links", folder=inner)
    do("expire-delta-links")
    do("delete-folder", folder=outer)

    mailboxes = control(simulators, "GET", "state").json()["mailboxes"]
    [own] = [each for each in mailboxes if each["id"] == mailbox.user_id]
    folders = {each["id"]: each for each in own["folders"]}
    by_role = {each["role"]: each for each in own["folders"]}
    assert by_role.keys() >= {"inbox", "deleteditems", "sentitems", "conversationhistory"}
    assert folders[outer]["display_name"] == "Renamed"
    assert folders[outer]["parent_id"] == by_role["deleteditems"]["id"]
    assert folders[inner]["parent_id"] == by_role["inbox"]["parent_id"]
    assert folders[inner]["is_hidden"]
    do("purge-folder", folder=outer)
    unknown = control(simulators, "POST", "purge-folder", mailbox=mailbox.address, folder=outer)
    assert (unknown.status_code, unknown.json()["error"]) == (400, "FolderNotFound")


def test_a_folder_is_not_moved_into_itself(simulators: Simulators, mailbox: Mailbox) -> None:
    outer = act(simulators, mailbox, "create-folder", name="Outer")
    inner = act(simulators, mailbox, "create-folder", name="Inner", parent=outer)

    for inside in (outer, inner):
        move = {"mailbox": mailbox.address, "folder": outer, "parent": inside}
        refused = control(simulators, "POST", "move-folder", **move)
        assert (refused.status_code, refused.json()["error"]) == (400, "FolderMoveRefused")
