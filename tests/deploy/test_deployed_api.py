"""The API is the catalog's routes, and only the public ones are open."""

import json

from infra import catalog
from tests.deploy.template import Template


def test_each_route_reaches_its_function_behind_the_authorizer(sync: Template) -> None:
    ((authorizer, found),) = sync.of_type("AWS::ApiGatewayV2::Authorizer").items()
    authorize = {"Ref": sync.alias(catalog.AUTHORIZER_FUNCTION)}
    deployed = sync.all_of("AWS::ApiGatewayV2::Route")
    by_key = {each["RouteKey"]: each for each in deployed}

    assert by_key.keys() == {each.route_key for each in catalog.ROUTES}
    assert len(deployed) == len(catalog.ROUTES)
    assert authorize in found["Properties"]["AuthorizerUri"]["Fn::Join"][1]
    for route in catalog.ROUTES:
        properties = by_key[route.route_key]
        assert properties["AuthorizationType"] == ("NONE" if route.is_public else "CUSTOM")
        assert properties.get("AuthorizerId") == (None if route.is_public else {"Ref": authorizer})
        integration = properties["Target"]["Fn::Join"][1][1]["Ref"]
        uri = sync.resources[integration]["Properties"]["IntegrationUri"]
        assert uri == {"Ref": sync.alias(catalog.find_function(route.function_name))}


def test_a_decision_of_the_authorizer_is_cached_for_five_minutes_per_token(sync: Template) -> None:
    properties = sync.only_one("AWS::ApiGatewayV2::Authorizer")

    assert properties["EnableSimpleResponses"] is True
    assert properties["AuthorizerResultTtlInSeconds"] == 300
    assert properties["IdentitySource"] == ["$request.header.Authorization"]


def test_the_access_log_never_holds_a_path_or_query(sync: Template) -> None:
    """The query of the OAuth callback carries the sign-in code."""
    settings = sync.only_one("AWS::ApiGatewayV2::Stage")["AccessLogSettings"]

    logged = set(json.loads(settings["Format"]).values())

    assert "$context.requestId" in logged
    assert not logged & {"$context.path", "$context.protocol", "$context.identity.sourceIp"}


def test_routes_have_no_metrics_of_their_own(sync: Template) -> None:
    """Alarms and dashboard look at the whole API, and each of some hundred would cost $0.30."""
    settings = sync.only_one("AWS::ApiGatewayV2::Stage")["DefaultRouteSettings"]

    assert not settings.get("DetailedMetricsEnabled")


def test_each_route_is_throttled_for_itself(sync: Template) -> None:
    """So a flood of the public ones starves neither users nor notifications."""
    limits = sync.only_one("AWS::ApiGatewayV2::Stage")["RouteSettings"]

    assert limits == {
        each.route_key: {
            "ThrottlingRateLimit": each.throttle.requests_per_second,
            "ThrottlingBurstLimit": each.throttle.burst_limit,
        }
        for each in catalog.ROUTES
    }
    public = {each.route_key: each.throttle for each in catalog.ROUTES if each.is_public}
    for each in ("microsoft", "google"):
        notifications = public.pop(f"POST /api/webhooks/{each}")
        assert notifications == catalog.RouteThrottle(requests_per_second=50, burst_limit=100)
    assert all(each.requests_per_second <= 10 for each in public.values())


def test_a_stage_names_its_routes_only_after_they_were_made(sync: Template) -> None:
    stage = sync.only("AWS::ApiGatewayV2::Stage")

    assert set(stage["DependsOn"]) >= sync.of_type("AWS::ApiGatewayV2::Route").keys()


def test_only_named_origins_may_use_the_api(sync: Template, with_email: Template) -> None:
    cors = with_email.only_one("AWS::ApiGatewayV2::Api")["CorsConfiguration"]

    assert cors["AllowOrigins"] == ["https://a.mailsync.test"]
    assert {"DELETE", "PATCH"} <= set(cors["AllowMethods"])
    assert cors["AllowCredentials"] is True  # the cookie of a sign-in
    assert set(cors["AllowHeaders"]) >= {"authorization", "content-type", "if-none-match"}
    assert set(cors["ExposeHeaders"]) == {"etag", "location", "retry-after"}
    assert "CorsConfiguration" not in sync.only_one("AWS::ApiGatewayV2::Api")


def test_a_domain_is_the_apis_and_the_outputs_say_what_to_enter_where(
    sync: Template, with_topic: Template
) -> None:
    domain = with_topic.only_one("AWS::ApiGatewayV2::DomainName")
    mapping = with_topic.only_one("AWS::ApiGatewayV2::ApiMapping")
    path = "/api/auth/microsoft/callback"

    assert domain["DomainName"] == "mail.mailsync.test"
    assert domain["DomainNameConfigurations"][0]["EndpointType"] == "REGIONAL"
    assert mapping["ApiId"] == {"Ref": with_topic.key_of("AWS::ApiGatewayV2::Api", "")}
    assert with_topic.outputs["RedirectUri"]["Value"] == f"https://mail.mailsync.test{path}"
    assert "RegionalDomainName" in str(with_topic.outputs["DnsTarget"])
    assert sync.outputs["RedirectUri"]["Value"]["Fn::Join"][1][-1] == path
    assert "DnsTarget" not in sync.outputs
    urls = {
        each["Environment"]["Variables"].get("PUBLIC_URL") for _, each in with_topic.functions()
    }
    assert urls == {"https://mail.mailsync.test", None}
