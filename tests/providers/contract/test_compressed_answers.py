"""Compressed responses that expand a thousandfold cost hardly any memory."""

import gzip
import tracemalloc
import zlib
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localdev.http_server import Response, Server
from mailsync.credentials.identity.entra import request_app_only_tokens
from mailsync.errors import ProviderUnavailable
from mailsync.model import FeedId, FeedRef, FolderId, FolderRef, RemoteId
from mailsync.published_keys import PublishedKeySet
from mailsync.response_body import UnreadableBody, read_body_or_none_if_too_large
from mailsync.settings import Settings
from tests.api.credentials.identity_platform import CLIENT_ID, IdentityPlatform
from tests.providers.contract.scripted_graph import ScriptedGraph
from tests.support.builders import OAUTH

MB = 2**20
BOMB_BYTES = 256 * MB
INBOX = FolderRef(FolderId(1), RemoteId("inbox"))
FEED = FeedRef(FeedId(1), INBOX)
TENANT = "72f988bf-86f1-41af-91ab-2d7cd011db47"
GRAPH_READERS: dict[str, tuple[Callable[[ScriptedGraph], object], int]] = {
    "page": (lambda graph: graph.mailbox.fetch_feed_page(FEED, None, limit=100), 60),
    "page of one": (lambda graph: graph.mailbox.fetch_feed_page(FEED, None, limit=1), 100),
    "ids": (lambda graph: graph.mailbox.list_folder_messages(INBOX), 60),
    "messages": (lambda graph: graph.mailbox.fetch_messages([RemoteId("m")]), 100),
}
"""With the megabytes by which a function may grow: what is read until the limit, and a little."""
OTHER_MB = 25
ENCODINGS = ("gzip", "deflate", "gzip, gzip", "")
READINGS = [(what, "gzip") for what in GRAPH_READERS] + [("page", each) for each in ENCODINGS[1:]]
"""Every reader, and every encoding for the one reader that they all share."""


@cache
def bomb(encoding: str) -> bytes:
    """256 MB of spaces, compressed to 256 KB, or, compressed twice, to less than a kilobyte."""
    if "," in encoding:
        return gzip.compress(bomb("gzip"))
    if not encoding:
        return b" " * (100 * MB)
    packer = zlib.compressobj(wbits=31 if encoding == "gzip" else 15)
    spaces = b" " * MB
    packed = b"".join(packer.compress(spaces) for _ in range(BOMB_BYTES // MB)) + packer.flush()
    assert len(packed) < 0.3 * MB
    return packed


def response_of(encoding: str) -> Response:
    return Response(200, bomb(encoding), {"Content-Encoding": encoding} if encoding else {})


def peak_mb(read: Callable[[], object]) -> float:
    """By how much the process grew while the response could not be read."""
    tracemalloc.start()
    try:
        with suppress(ProviderUnavailable):
            assert read() is None
        return tracemalloc.get_traced_memory()[1] / MB
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("what", "encoding"), READINGS)
def test_a_response_of_graph_that_expands_a_thousandfold_is_not_held(
    graph: ScriptedGraph, what: str, encoding: str
) -> None:
    graph.answers = [response_of(encoding)]
    read, max_mb = GRAPH_READERS[what]

    assert peak_mb(lambda: read(graph)) < max_mb


def test_nor_is_one_of_the_identity_platform(tmp_path: Path) -> None:
    platform = IdentityPlatform(tmp_path)
    platform.response = response_of("gzip")
    settings = Settings(
        {
            "MICROSOFT_CLIENT_ID": CLIENT_ID,
            "MICROSOFT_CLIENT_SECRET": "s",
            "MICROSOFT_AUTHORITY": platform.authority,
            "CA_BUNDLE": str(platform.ca_bundle),
        }
    )

    assert peak_mb(lambda: request_app_only_tokens(settings, OAUTH, TENANT)) < OTHER_MB
    platform.stop()


def test_nor_is_one_of_the_issuer_of_keys() -> None:
    server = Server(lambda _: response_of("gzip"), port=0).start()
    keys = PublishedKeySet(f"http://127.0.0.1:{server.port}", Settings({}).provider_tls_context())

    assert peak_mb(lambda: keys.find_key_for_jwt("k")) < OTHER_MB
    server.stop()


@given(st.binary(max_size=300), st.integers(1, 40), st.integers(1, 5))
def test_a_packed_body_is_read_as_it_was_however_it_is_cut(
    body: bytes, size: int, members: int
) -> None:
    packed = b"".join(gzip.compress(body * 50) for _ in range(members))
    pieces = [packed[at : at + size] for at in range(0, len(packed), size)]
    whole = body * 50 * members

    assert bytes(read_body_or_none_if_too_large(pieces, "gzip", len(whole)) or b"") == whole
    assert bytes(read_body_or_none_if_too_large([packed], "GZIP ", len(whole)) or b"") == whole
    if whole:
        assert read_body_or_none_if_too_large(pieces, "gzip", len(whole) - 1) is None
    with pytest.raises(UnreadableBody):
        read_body_or_none_if_too_large([packed[:-1]], "gzip", len(whole))


@pytest.mark.parametrize(
    ("encoding", "body"),
    [("br", b"x"), ("deflate", zlib.compress(b"x")), ("gzip, gzip", b"x"), ("gzip", b"no gzip")],
)
def test_what_was_not_asked_for_is_not_unpacked(encoding: str, body: bytes) -> None:
    with pytest.raises(UnreadableBody):
        read_body_or_none_if_too_large([body], encoding, 100)


def test_what_is_held_is_told_before() -> None:
    told: list[int] = []

    read_body_or_none_if_too_large([b"ab", b"c"], None, 3, hold=told.append)

    assert told == [2, 1]
