"""Build SyncApi: the HTTP API with the routes of the catalog and one Lambda authorizer."""

import json
from collections.abc import Iterator
from typing import cast

import aws_cdk as cdk
import jsii
from aws_cdk import Acknowledgment, Validations
from aws_cdk import aws_apigateway as rest_api
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_apigatewayv2_authorizers as authorizers
from aws_cdk import aws_apigatewayv2_integrations as integrations
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra import catalog
from infra.api_domain import ApiDomain, redirect_uri_outputs
from infra.settings import StageSettings
from infra.sync_functions import LambdaFunctionConstruct, LambdaFunctions

# No path and no query: the callback's query carries the sign-in code.
_ACCESS_LOG = {
    "requestId": "$context.requestId",
    "routeKey": "$context.routeKey",
    "status": "$context.status",
    "latencyMs": "$context.responseLatency",
    "integrationError": "$context.integrationErrorMessage",
    "authorizerError": "$context.authorizer.error",
}


@jsii.implements(apigateway.IAccessLogSettings)
class _AccessLog:
    def __init__(self, log_group: logs.LogGroup) -> None:
        self._destination = apigateway.LogGroupLogDestination(log_group)

    @property
    def destination(self) -> apigateway.IAccessLogDestination:
        return self._destination

    @property
    def format(self) -> rest_api.AccessLogFormat:
        return rest_api.AccessLogFormat.custom(json.dumps(_ACCESS_LOG))


def _cors(stage: StageSettings) -> apigateway.CorsPreflightOptions | None:
    """Return the CORS settings of the API. None: the stage sets no `cors_origins`.

    Credentials are allowed, because the browser must send the sign-in cookie to the API.
    """
    if not stage.cors_origins:
        return None
    return apigateway.CorsPreflightOptions(
        allow_origins=list(stage.cors_origins),
        allow_methods=[apigateway.CorsHttpMethod[each] for each in catalog.CORS_METHODS],
        allow_headers=list(catalog.CORS_REQUEST_HEADERS),
        expose_headers=list(catalog.CORS_RESPONSE_HEADERS),
        allow_credentials=True,
        max_age=cdk.Duration.seconds(catalog.CORS_MAX_AGE_S),
    )


class SyncApi(Construct):
    """The HTTP API of the stage. API Gateway caches the authorizer's decision about an
    Authorization header for 300 s."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        functions: LambdaFunctions,
        stage: StageSettings,
    ) -> None:
        super().__init__(scope, construct_id)
        self._api = apigateway.HttpApi(
            self, "Api", create_default_stage=False, cors_preflight=_cors(stage)
        )
        self._own_url = stage.custom_domain_api_url
        default_stage = self._add_stage(stage)
        self._domain: ApiDomain | None = None
        if stage.domain_name and stage.certificate_arn:
            self._domain = ApiDomain(
                self,
                "Domain",
                name=stage.domain_name,
                certificate_arn=stage.certificate_arn,
                api=self._api,
                stage=self._api_stage,
            )
        authorizer = authorizers.HttpLambdaAuthorizer(
            "Authorizer",
            functions[catalog.AUTHORIZER_FUNCTION.name].alias,
            response_types=[authorizers.HttpLambdaResponseType.SIMPLE],
            identity_source=["$request.header.Authorization"],
            results_cache_ttl=cdk.Duration.seconds(300),
        )
        behind = {
            name: integrations.HttpLambdaIntegration(
                catalog.find_function(name).construct_id, functions[name].alias
            )
            for name in dict.fromkeys(route.function_name for route in catalog.ROUTES)
        }
        for route in catalog.ROUTES:
            added = self._add_route(route, behind[route.function_name], authorizer)
            # API Gateway accepts limits only for existing routes.
            default_stage.add_resource_dependency(cast(cdk.CfnResource, added.node.default_child))

    @property
    def url(self) -> str:
        """Return the URL that AWS assigns to the API."""
        return self._api.api_endpoint

    def server_error_metric(self, period: cdk.Duration) -> cloudwatch.Metric:
        """Return the metric that counts responses with a 5xx status, including responses
        after a failure of the authorizer."""
        return self._api.metric_server_error(period=period, statistic="Sum")

    def add_api_url_to_environment(self, function: LambdaFunctionConstruct) -> None:
        """Set the environment variable PUBLIC_URL of the function to the URL of the API.

        Do not call this method for a function that handles a route: CloudFormation rejects a
        function and an API that depend on each other.
        """
        function.function.add_environment("PUBLIC_URL", self._own_url or self.url)

    def outputs(self) -> Iterator[tuple[str, str]]:
        """Yield the name and value of each stack output about the API."""
        yield "ApiUrl", self.url
        yield from redirect_uri_outputs(self._own_url or self.url)
        if self._domain:
            yield "DnsTarget", self._domain.dns_target

    def _add_stage(self, stage: StageSettings) -> apigateway.CfnStage:
        log_group = logs.LogGroup(
            self,
            "AccessLogs",
            # `_log_group` of `infra.sync_workflows` explains the prefix /aws/vendedlogs/.
            log_group_name=f"/aws/vendedlogs/apis/{cdk.Stack.of(self).stack_name}",
            retention=logs.RetentionDays[stage.log_retention],
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )
        added = self._api.add_stage(
            "DefaultStage",
            auto_deploy=True,
            throttle=apigateway.ThrottleSettings(rate_limit=50, burst_limit=100),
            access_log_settings=_AccessLog(log_group),
        )
        self._api_stage = added
        resource = cast(apigateway.CfnStage, added.node.default_child)
        resource.route_settings = {
            route.route_key: {
                "ThrottlingRateLimit": route.throttle.requests_per_second,
                "ThrottlingBurstLimit": route.throttle.burst_limit,
            }
            for route in catalog.ROUTES
        }
        return resource

    def _add_route(
        self,
        route: catalog.Route,
        integration: apigateway.HttpRouteIntegration,
        authorizer: apigateway.IHttpRouteAuthorizer,
    ) -> apigateway.HttpRoute:
        method, path = route.route_key.split(" ")
        (resource,) = self._api.add_routes(
            path=path,
            methods=[apigateway.HttpMethod(method)],
            integration=integration,
            authorizer=apigateway.HttpNoneAuthorizer() if route.is_public else authorizer,
        )
        if route.is_public:
            Validations.of(resource).acknowledge(
                Acknowledgment(
                    id="AwsSolutions-APIG4",
                    reason="Public by design: it reveals nothing (health, the API's description),"
                    " is opened by the browser that Microsoft sends back and checks a signed state"
                    " (callback), or is called by Microsoft and checks a secret (webhook).",
                )
            )
        return resource
