"""GET /api/openapi.json."""

import re
from typing import Any

import pytest

from infra.catalog import ROUTES
from tests.api.requests import Api

Document = dict[str, Any]


@pytest.fixture
def document(api: Api) -> Document:
    response = api("GET /api/openapi.json", user=None)
    assert (response.status, response.headers["Content-Type"]) == (200, "application/json")
    described: Document = response.json
    return described


def operations(document: Document) -> dict[str, Document]:
    return {
        f"{method.upper()} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def test_exactly_the_routes_of_the_catalog_are_documented(document: Document) -> None:
    assert sorted(operations(document)) == sorted(each.route_key for each in ROUTES)


def test_a_route_needs_a_token_unless_it_is_public(document: Document) -> None:
    described = operations(document)

    open_to_all = {key for key, each in described.items() if each.get("security") == []}
    assert document["security"] == [{"bearer": []}]
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    assert open_to_all == {each.route_key for each in ROUTES if each.is_public}
    assert all(
        ("401" in each["responses"]) != (key in open_to_all) for key, each in described.items()
    )


def test_the_body_that_starts_a_sync_is_described(document: Document) -> None:
    start = operations(document)["POST /api/email/sync"]

    (content,) = start["requestBody"]["content"].values()
    schema = document["components"]["schemas"][content["schema"]["$ref"].split("/")[-1]]
    assert schema["properties"].keys() == {"accountId", "syncType", "folders"}
    assert "idempotency-key" in {each["name"] for each in start["parameters"]}


def test_the_headers_of_polling_are_described(document: Document) -> None:
    show = operations(document)["GET /api/email/sync"]

    assert "If-None-Match" in {each["name"] for each in show["parameters"]}
    assert show["responses"]["304"]["content"] == {}
    for status in ("200", "304"):
        assert show["responses"][status]["headers"].keys() == {"ETag", "Retry-After"}


def test_no_number_of_the_document_exceeds_what_json_readers_keep(document: Document) -> None:
    """Else a client would take for allowed what is refused."""
    named = [float(each) for each in re.findall(r"'maximum': ([^,}]+)", str(document))]

    assert named
    assert max(named) < 2**53


def test_the_gateways_own_answers_are_described_beside_ours(document: Document) -> None:
    """API Gateway itself answers 503 where a function cannot be invoked."""
    described = document["paths"]["/api/email/sync"]["post"]["responses"]

    for status in ("401", "403", "413", "429", "500", "503"):
        assert "application/json" in described[status]["content"], status
    assert "application/json" not in described["409"]["content"]
