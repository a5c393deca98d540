"""Google's own client, with the simulated Gmail as its server."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import httplib2
from googleapiclient.discovery import build_from_document

from tests.providers.simulators.gmail.client import GmailClient, JsonObject
from tests.support.gmail_discovery import check_answer, check_request, discovery_document

BATCH_PATH = "/batch"


class CheckedHttp(httplib2.Http):  # type: ignore[misc]
    """Sends a bearer token, and requires that requests and answers are as Google describes them."""

    def __init__(self, token: str) -> None:
        super().__init__(timeout=20)
        self._token = token

    def request(self, uri: str, method: str = "GET", **options: Any) -> tuple[Any, bytes]:
        headers = {**(options.pop("headers", None) or {}), "authorization": f"Bearer {self._token}"}
        response, content = super().request(uri, method, headers=headers, **options)
        url = urlsplit(uri)
        if url.path != BATCH_PATH:
            check_request(method, url.path, url.query)
            if response.status == 200:
                check_answer(method, url.path, content)
        return response, content


@contextmanager
def google_client(gmail: GmailClient) -> Iterator[Any]:
    """Yield Google's client of a mailbox, made from Google's description of the API."""
    url = f"{gmail.http.base_url.scheme}://{gmail.http.base_url.netloc.decode()}/"
    document = discovery_document() | {"rootUrl": url, "baseUrl": url}
    with build_from_document(document, http=CheckedHttp(gmail.token)) as google:
        yield google


def all_pages(resource: Any, name: str, **params: Any) -> list[JsonObject]:
    """Return the entries of a list of Google's client from all of its pages."""
    request, found = resource.list(userId="me", **params), []
    while request is not None:
        page = request.execute()
        found += page.get(name, [])
        request = resource.list_next(request, page)
    return found


def fetch_batched(google: Any, requests: dict[str, Any]) -> dict[str, Any]:
    """Return the answer or the error of each request by its id, in batches of 25, which
    the limit of concurrent requests permits."""
    found: dict[str, Any] = {}
    ids = list(requests)
    for start in range(0, len(ids), 25):
        batch = google.new_batch_http_request(
            callback=lambda each, answer, error: found.update({each: error or answer})
        )
        for each in ids[start : start + 25]:
            batch.add(requests[each], request_id=each)
        batch.execute()
    return found
