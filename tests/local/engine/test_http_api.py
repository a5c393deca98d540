from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from infra.catalog import Route
from localdev.engine.http_api import MAX_REQUEST_BODY_BYTES, HttpApi
from localdev.engine.lambda_host import LambdaHost
from tests.local.engine.conftest import hosted

ROUTES = (
    Route(route_key="GET /open", function_name="serve", is_public=True),
    Route(route_key="POST /open", function_name="serve", is_public=True),
    Route(route_key="GET /runs/{runId}", function_name="serve"),
    Route(route_key="GET /runs/latest", function_name="serve"),
    Route(route_key="GET /api/auth/microsoft", function_name="serve"),
)


@pytest.fixture(scope="module")
def lambdas(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LambdaHost]:
    with hosted(tmp_path_factory.mktemp("logs")) as host:
        yield host


@contextmanager
def served(lambdas: LambdaHost, **settings: Any) -> Iterator[httpx.Client]:
    api = HttpApi(lambdas, ROUTES, port=0, authorizer="authorize", **settings)
    api.start()
    with httpx.Client(base_url=f"http://127.0.0.1:{api.port}", timeout=20) as http:
        yield http
    api.stop()


@pytest.fixture(scope="module")
def client(lambdas: LambdaHost) -> Iterator[httpx.Client]:
    with served(lambdas) as http:
        yield http


def test_a_request_arrives_as_payload_2_0(client: httpx.Client) -> None:
    headers = [("X-Many", "1"), ("X-Many", "2"), ("Cookie", "a=1; b=2")]

    event = client.get("/open?tag=x&tag=y%20z&empty=", headers=headers).json()

    assert (event["version"], event["routeKey"], event["rawPath"]) == ("2.0", "GET /open", "/open")
    assert event["rawQueryString"] == "tag=x&tag=y%20z&empty="
    assert event["queryStringParameters"] == {"tag": "x,y z", "empty": ""}
    assert event["headers"]["x-many"].replace(" ", "") == "1,2"
    assert event["cookies"] == ["a=1", "b=2"]
    assert "cookie" not in event["headers"]
    assert event["requestContext"]["http"]["method"] == "GET"


@pytest.mark.parametrize(
    ("content_type", "body", "encoded"),
    [("application/json", '{"ü": 1}', False), ("application/octet-stream", "AAH/", True)],
)
def test_only_bodies_that_are_no_text_are_encoded(
    client: httpx.Client, content_type: str, body: str, encoded: bool
) -> None:
    sent = b"\x00\x01\xff" if encoded else body.encode()

    event = client.post("/open", content=sent, headers={"Content-Type": content_type}).json()

    assert (event["body"], event["isBase64Encoded"]) == (body, encoded)


def test_a_function_s_answer_leaves_as_it_says(client: httpx.Client) -> None:
    made = client.get("/open?answer=cookies")
    plain = client.get("/open?answer=plain")

    assert (made.status_code, made.text) == (201, "made")
    assert made.headers.get_list("set-cookie") == ["a=1; Path=/", "b=2"]
    assert (plain.json(), plain.headers["content-type"]) == ({"plain": True}, "application/json")
    assert client.get("/open?answer=binary").content == b"\x00\x01\xff"


def test_the_most_specific_route_gets_the_request(client: httpx.Client) -> None:
    headers = {"Authorization": "Bearer ann"}

    one = client.get("/runs/a%20b", headers=headers).json()

    assert one["pathParameters"] == {"runId": "a b"}
    assert client.get("/runs/latest", headers=headers).json()["routeKey"] == "GET /runs/latest"


def test_a_route_that_is_not_public_asks_the_authorizer(client: httpx.Client) -> None:
    let_in = client.get("/runs/7", headers={"Authorization": "Bearer ann"}).json()

    context = let_in["requestContext"]["authorizer"]["lambda"]
    assert context["userId"] == "ann"
    assert (context["seen"]["type"], context["seen"]["identitySource"]) == (
        "REQUEST",
        ["Bearer ann"],
    )
    assert context["seen"]["routeArn"].endswith("/$default/GET/runs/7")


def test_strangers_are_refused_in_the_gateway_s_words(client: httpx.Client) -> None:
    no_token = client.get("/runs/7")
    refused = client.get("/runs/7", headers={"Authorization": "Bearer nobody"})

    assert (no_token.status_code, no_token.json()) == (401, {"message": "Unauthorized"})
    assert (refused.status_code, refused.json()) == (403, {"message": "Forbidden"})


def test_failures_have_the_gateway_s_statuses(client: httpx.Client) -> None:
    large = client.post("/open", content=b"x" * (MAX_REQUEST_BODY_BYTES + 1))

    assert client.get("/nowhere").json() == {"message": "Not Found"}
    assert client.delete("/open").status_code == 404
    assert client.get("/open?answer=raise").json() == {"message": "Internal Server Error"}
    assert client.get("/open?answer=raise").status_code == 500
    assert (large.status_code, large.json()) == (413, {"message": "Request Entity Too Large"})


def test_pages_of_other_origins_are_answered_if_they_are_allowed(lambdas: LambdaHost) -> None:
    app, evil = {"Origin": "https://app.example.com"}, {"Origin": "https://evil.example"}
    asks = {"Access-Control-Request-Method": "POST"}
    with served(lambdas, cors_origins=[app["Origin"]]) as client:
        preflight = client.options("/open", headers={**app, **asks})
        answered, nowhere = client.get("/open", headers=app), client.get("/nowhere", headers=app)
        refused = [
            client.options("/open", headers={**evil, **asks}),
            client.get("/open", headers=evil),
        ]

    assert preflight.status_code == 204
    assert "PATCH" in preflight.headers["access-control-allow-methods"]
    assert "idempotency-key" in preflight.headers["access-control-allow-headers"]
    for response in (preflight, answered, nowhere):
        assert response.headers["access-control-allow-origin"] == app["Origin"]
        assert response.headers["vary"] == "Origin"
    assert answered.status_code == 200
    assert not any("access-control-allow-origin" in each.headers for each in refused)


def test_without_allowed_origins_every_preflight_is_rejected(client: httpx.Client) -> None:
    headers = {"Origin": "https://app.example.com", "Access-Control-Request-Method": "POST"}

    assert client.options("/open", headers=headers).status_code == 403
    assert "access-control-allow-origin" not in client.get("/open", headers=headers).headers


CROSS = {"Sec-Fetch-Site": "cross-site"}
PAGE = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


@pytest.fixture(scope="module")
def demo_user(lambdas: LambdaHost) -> Iterator[httpx.Client]:
    """A client of an API that signs in programs of this machine."""
    origins = ["http://localhost:3001", "https://app.example.com"]
    with served(lambdas, sign_in=lambda: "demo", cors_origins=origins) as http:
        yield http


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/runs/7", {}),
        ("/runs/7", {"Origin": "http://localhost:3001", "Sec-Fetch-Site": "same-site"}),
        ("/runs/7", {"Sec-Fetch-Site": "none", **PAGE}),
        ("/api/auth/microsoft", {**CROSS, **PAGE}),
    ],
    ids=["program", "page of an allowed origin", "address bar", "link to the sign-in"],
)
def test_this_machine_s_own_programs_and_pages_are_signed_in(
    demo_user: httpx.Client, path: str, headers: dict[str, str]
) -> None:
    response = demo_user.get(path, headers=headers)

    assert response.json()["requestContext"]["authorizer"]["lambda"]["userId"] == "demo"


def test_a_page_of_an_allowed_origin_elsewhere_needs_a_token(demo_user: httpx.Client) -> None:
    assert (
        demo_user.get("/runs/7", headers={"Origin": "https://app.example.com"}).status_code == 401
    )


def test_a_page_of_another_site_may_navigate_to_the_sign_in_only(demo_user: httpx.Client) -> None:
    """`test_guard.py` has all cases."""
    frame = {**CROSS, **PAGE, "Sec-Fetch-Dest": "iframe"}

    assert demo_user.get("/runs/7", headers={**CROSS, **PAGE}).status_code == 403
    assert demo_user.get("/api/auth/microsoft", headers=frame).status_code == 403
