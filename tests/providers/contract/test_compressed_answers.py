"""Compressed responses that expand a thousandfold cost hardly any memory."""

import gzip
import json
import os
import subprocess
import sys
import zlib
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localdev.http_server import Request, Response
from mailsync.response_body import UnreadableBody, read_body
from tests.api.credentials.identity_platform import CLIENT_ID, IdentityPlatform
from tests.api.issuer import Issuer
from tests.providers.contract.scripted_graph import ScriptedGraph

MB = 2**20
BOMB_BYTES = 256 * MB
UNREAD = "ProviderUnavailable"
MAX_MB = {"page": 60, "ids": 60, "page of one": 100, "messages": 100, "token": 25, "keys": 25}
"""By how much a function may grow: by what is read until the limit, and a little."""
ENCODINGS = ("gzip", "deflate", "gzip, gzip", "")
READINGS = [(what, "gzip") for what in MAX_MB] + [("page", each) for each in ENCODINGS[1:]]
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


def read(what: str, settings: dict[str, str]) -> dict[str, Any]:
    answer = subprocess.run(
        [sys.executable, "-m", "tests.providers.contract.reader", what, json.dumps(settings)],
        env={**os.environ, "PYTHONPATH": "lambdas:."},
        capture_output=True,
        check=True,
        timeout=120,
    )
    found: dict[str, Any] = json.loads(answer.stdout.splitlines()[-1])
    return found


class _Issuer(Issuer):
    """Publishes that response."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self._response = response

    def _answer(self, request: Request) -> Response:
        return self._response


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what a process holds")
@pytest.mark.parametrize(("what", "encoding"), READINGS)
def test_a_response_that_expands_a_thousandfold_is_not_held(
    graph: ScriptedGraph, tmp_path: Path, what: str, encoding: str
) -> None:
    headers = {"Content-Encoding": encoding} if encoding else {}
    response = Response(200, bomb(encoding), headers)
    graph.answers = [response]
    platform = IdentityPlatform(tmp_path)
    platform.response = response
    with _Issuer(response) as issuer:
        settings = {"GRAPH_URL": graph.url, "MICROSOFT_CLIENT_ID": CLIENT_ID}
        settings |= {"MICROSOFT_AUTHORITY": platform.authority, "JWT_JWKS_URL": issuer.url}
        settings |= {"MICROSOFT_CLIENT_SECRET": "s"}
        if what == "token":
            settings["CA_BUNDLE"] = str(platform.ca_bundle)
        found = read(what, settings)
    platform.stop()

    assert found["outcome"] == ("None" if what == "keys" else UNREAD)
    assert found["grown_mb"] < MAX_MB[what]


@given(st.binary(max_size=300), st.integers(1, 40), st.integers(1, 5))
def test_a_packed_body_is_read_as_it_was_however_it_is_cut(
    body: bytes, size: int, members: int
) -> None:
    packed = b"".join(gzip.compress(body * 50) for _ in range(members))
    pieces = [packed[at : at + size] for at in range(0, len(packed), size)]
    whole = body * 50 * members

    assert bytes(read_body(pieces, "gzip", len(whole)) or b"") == whole
    assert bytes(read_body([packed], "GZIP ", len(whole)) or b"") == whole
    if whole:
        assert read_body(pieces, "gzip", len(whole) - 1) is None
    with pytest.raises(UnreadableBody):
        read_body([packed[:-1]], "gzip", len(whole))


@pytest.mark.parametrize(
    ("encoding", "body"),
    [("br", b"x"), ("deflate", zlib.compress(b"x")), ("gzip, gzip", b"x"), ("gzip", b"no gzip")],
)
def test_what_was_not_asked_for_is_not_unpacked(encoding: str, body: bytes) -> None:
    with pytest.raises(UnreadableBody):
        read_body([body], encoding, 100)


def test_what_is_held_is_told_before() -> None:
    told: list[int] = []

    read_body([b"ab", b"c"], None, 3, hold=told.append)

    assert told == [2, 1]
