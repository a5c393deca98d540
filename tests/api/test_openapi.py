"""GET /api/openapi.json."""

import re
from collections import defaultdict
from collections.abc import Iterator
from itertools import chain
from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from infra.catalog import ROUTES
from tests.api.requests import Api, Sql
from tests.support.paths import ROOT

Document = dict[str, Any]
VALUES_OF_COLUMNS = {
    ("email_accounts", "status"): ("AccountStatus", {"purging"}, set()),
    ("email_accounts", "sync_status"): ("SyncStatus", set(), {"queued"}),
    ("sync_runs", "status"): ("RunStatus", set(), set()),
    ("sync_run_folders", "status"): ("RunFolderStatus", set(), set()),
}
"""The schema of a column's values, values that no response has, and values that no row has."""
PUBLIC_NAMES = {"reauth_required", "confirm_connections", "error_description", "APP_INBOX_URL"}
"""Names with an underscore that are values, settings or parameters."""


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
    assert "Idempotency-Key" in {each["name"] for each in start["parameters"]}


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


def test_it_is_valid(document: Document) -> None:
    """References, schemas, the uniqueness of operation ids, and parameters of paths."""
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []


def test_names_of_operations_become_methods_of_a_client_and_their_tags_its_classes(
    document: Document,
) -> None:
    described = operations(document).values()
    ids = [each["operationId"] for each in described]

    assert [each for each in ids if not re.fullmatch("[a-z]+(_[a-z]+){1,5}", each)] == []
    assert len({each.replace("_", "") for each in ids}) == len(ids)
    assert not re.search("_(api|get|post|patch|delete)(_|$)", " ".join(ids))
    tags = {each["name"] for each in document["tags"] if each["description"]}
    assert {tag for each in described for tag in each["tags"]} == tags
    assert all(len(each["tags"]) == 1 for each in described)


def test_fields_with_a_set_of_values_name_it(document: Document) -> None:
    """Every status, role, cause and type of a sync."""
    named = {
        f"{schema}.{field}": described.get("$ref", "").rpartition("/")[2]
        for schema, whole in document["components"]["schemas"].items()
        for field, described in whole.get("properties", {}).items()
        if re.search("status$|^role$|^cause$|^syncType$", field, re.IGNORECASE)
        and described.keys().isdisjoint({"enum", "const"})
    }

    assert named.pop("Problem.status") == ""
    assert set(named.values()) == {
        *("AccountStatus", "MailboxStatus", "SyncStatus", "RunStatus", "RunFolderStatus"),
        *("FolderRole", "ListingContradictionKind", "SyncType"),
    }
    assert named["SyncStatusView.status"] == "MailboxStatus"
    assert named["AccountView.status"] == "AccountStatus"


@pytest.mark.parametrize("column", VALUES_OF_COLUMNS, ids=".".join)
def test_the_named_values_are_those_of_the_database(
    document: Document, sql: Sql, column: tuple[str, str]
) -> None:
    name, hidden, derived = VALUES_OF_COLUMNS[column]
    ((check,),) = sql(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = :name",
        name=f"{'_'.join(column)}_check",
    )

    values = document["components"]["schemas"][name]["enum"]

    assert {*values} == {*re.findall("'(\\w+)'", check)} - hidden | derived


def json_bodies(document: Document) -> Iterator[tuple[str, Document]]:
    """Each JSON body of a response, with its status."""
    for operation in operations(document).values():
        for status, response in operation["responses"].items():
            for kind, body in response.get("content", {}).items():
                if kind.endswith("json"):
                    yield status, body


def validator(document: Document, schema: Document) -> OAS31Validator:
    whole = {**schema, "components": document["components"]}
    return OAS31Validator(whole, format_checker=OAS31Validator.FORMAT_CHECKER)


def test_an_error_status_has_one_schema_which_takes_the_gateways_body_too(
    document: Document, api: Api
) -> None:
    """Else a generated client fails when it reads API Gateway's 401 as a problem."""
    schemas: defaultdict[str, list[Document]] = defaultdict(list)
    for status, body in json_bodies(document):
        if status >= "400" and body["schema"] not in schemas[status]:
            schemas[status].append(body["schema"])
    problem = api("GET /api/email/runs/none").json

    assert schemas.keys() >= {"400", "401", "403", "404", "409", "413", "415", "422", "429"}
    for status, found in schemas.items():
        (schema,) = found
        validator(document, schema).validate(problem)
        takes_messages = validator(document, schema).is_valid({"message": "Unauthorized"})
        assert takes_messages == (status in {"401", "403", "413", "429", "500", "503"}), status


def test_headers_have_the_names_of_the_guide(document: Document) -> None:
    guide = (ROOT / "docs" / "api.md").read_text()
    described = operations(document).values()
    sent = {each["name"] for op in described for each in op.get("parameters", ())}
    responses = [*chain.from_iterable(each["responses"].items() for each in described)]

    names = {each for each in sent if "-" in each}
    assert names == {"Idempotency-Key", "If-None-Match"}
    names |= {name for _, each in responses for name in each.get("headers", {})}
    assert names == {"Idempotency-Key", "If-None-Match", "ETag", "Location", "Retry-After"}
    assert [each for each in names if f"`{each}`" not in guide] == []
    assert all("Retry-After" in each["headers"] for status, each in responses if status == "429")


def test_every_schema_and_every_error_has_a_valid_example(document: Document) -> None:
    schemas = document["components"]["schemas"]
    objects = {name: each for name, each in schemas.items() if each.get("type") == "object"}

    for name, schema in objects.items():
        for example in schema["examples"]:
            errors = [each.message for each in validator(document, schema).iter_errors(example)]
            assert errors == [], name
    for status, body in json_bodies(document):
        if status >= "400":
            several = [each["value"] for each in body.get("examples", {}).values()]
            for example in several or [body["example"]]:
                validator(document, body["schema"]).validate(example)
                assert example.get("status", int(status)) == int(status)


def descriptions(node: Any) -> Iterator[str]:
    """Every text of the document for people, at any depth."""
    for key, part in node.items() if isinstance(node, dict) else enumerate(node):
        if key in ("description", "summary") and isinstance(part, str):
            yield part
        elif isinstance(part, dict | list):
            yield from descriptions(part)


def test_no_description_has_a_name_of_python_and_no_field_a_generated_title(
    document: Document,
) -> None:
    text = "\n".join(descriptions(document))

    assert set(re.findall(r"\w+_\w+", text)) == PUBLIC_NAMES
    assert not re.search(r"(?<!-)\b(None|str|dict|Powertools|pydantic)\b", text)
    assert not re.search(r"\w\n\w", "".join(f"{each}\n\n" for each in descriptions(document)))
    for schema in document["components"]["schemas"].values():
        assert not [each for each in schema.get("properties", {}).values() if "title" in each]
