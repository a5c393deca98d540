"""Read a simulated Gmail mailbox over HTTP, as a program that knows only the documentation."""

from collections.abc import Iterator
from typing import Any

import httpx

from localdev.simulators import Simulators
from localdev.simulators.gmail.owner import GmailMailboxEditor
from localdev.simulators.mailbox import Mailbox
from tests.support.gmail_discovery import check_answer, check_request

JsonObject = dict[str, Any]
WITH_TRASH = {"includeSpamTrash": "true"}


class GmailClient:
    """Requests of the owner of a mailbox. `owner` changes the mailbox. Requests that are
    accepted, and their answers, must be as Google describes them."""

    def __init__(self, simulators: Simulators, mailbox: Mailbox) -> None:
        self.mailbox, self.server = mailbox, simulators.gmail
        self.token = self.server.tokens.issue_token(mailbox.user_id)
        self.http = httpx.Client(base_url=f"{simulators.gmail_url}/gmail/v1/users/me/", timeout=20)

    @property
    def owner(self) -> GmailMailboxEditor:
        return GmailMailboxEditor(self.mailbox, self.server.behaviour)

    def send(self, path: str, method: str = "GET", **options: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token}"} | options.pop("headers", {})
        response = self.http.request(method, path, headers=headers, **options)
        if response.status_code == 200 and "/batch" not in response.request.url.path:
            url = response.request.url
            check_request(method, url.path, url.query.decode())
            check_answer(method, url.path, response.content)
        return response

    def get(self, path: str, **params: Any) -> JsonObject:
        response = self.send(path, params=params)
        assert response.status_code == 200, response.text
        found: JsonObject = response.json()
        return found

    def error(self, path: str, **params: Any) -> tuple[int, str, str]:
        """Return the status, reason and message of a request that is refused."""
        error = self.send(path, params=params).json()["error"]
        return error["code"], error["errors"][0]["reason"], error["message"]

    def pages(self, path: str, **params: Any) -> Iterator[JsonObject]:
        page = self.get(path, **params)
        yield page
        while token := page.get("nextPageToken"):
            page = self.get(path, pageToken=token, **params)
            yield page

    def listed(self, **params: Any) -> list[str]:
        pages = self.pages("messages", **params)
        return [each["id"] for page in pages for each in page.get("messages", ())]

    def records(self, start: str, **params: Any) -> list[JsonObject]:
        pages = self.pages("history", startHistoryId=start, **params)
        return [each for page in pages for each in page.get("history", ())]

    def history_id(self) -> str:
        return str(self.get("profile")["historyId"])

    def labels_by_id(self) -> dict[str, frozenset[str]]:
        """Return the labels of each message, requested one by one."""
        ids = self.listed(**WITH_TRASH)
        found = (self.get(f"messages/{each}", format="minimal") for each in ids)
        return {each["id"]: frozenset(each.get("labelIds", ())) for each in found}


def replay(present: dict[str, frozenset[str]], records: list[JsonObject]) -> None:
    """Apply history records to the labels of messages, as the documentation describes them."""
    for record in records:
        for added in record.get("messagesAdded", ()):
            present[added["message"]["id"]] = frozenset(added["message"].get("labelIds", ()))
        for added in record.get("labelsAdded", ()):
            present[added["message"]["id"]] |= {*added["labelIds"]}
        for removed in record.get("labelsRemoved", ()):
            present[removed["message"]["id"]] -= {*removed["labelIds"]}
        for deleted in record.get("messagesDeleted", ()):
            del present[deleted["message"]["id"]]
