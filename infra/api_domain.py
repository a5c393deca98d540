"""Build ApiDomain, a custom domain name for the API, and list the redirect URIs of the sign-ins.

The operator enters each redirect URI in the app registration at the mail provider.
"""

from collections.abc import Iterator

from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_certificatemanager as acm
from constructs import Construct

from mailsync.registry import DEFAULT_PROVIDER_OF_STORED_VALUES, implemented_providers


class ApiDomain(Construct):
    """A custom domain name in API Gateway whose requests go to the stage's HTTP API.

    dns_target: host name to which the operator's DNS record of the domain name must point. The
        record is a CNAME or an alias record.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        certificate_arn: str,
        api: apigateway.HttpApi,
        stage: apigateway.HttpStage,
    ) -> None:
        super().__init__(scope, construct_id)
        certificate = acm.Certificate.from_certificate_arn(self, "Certificate", certificate_arn)
        domain = apigateway.DomainName(self, "Domain", domain_name=name, certificate=certificate)
        apigateway.ApiMapping(self, "Mapping", api=api, domain_name=domain, stage=stage)
        self.dns_target = domain.regional_domain_name


def redirect_uri_outputs(api_url: str) -> Iterator[tuple[str, str]]:
    """Yield, for each provider with a sign-in, the name of the stack output and the redirect URI
    that the operator enters in the app registration."""
    for each in implemented_providers():
        if each.oauth_settings:
            is_first = each.provider_name == DEFAULT_PROVIDER_OF_STORED_VALUES
            name = "RedirectUri" if is_first else f"RedirectUri{each.provider_name.capitalize()}"
            yield name, f"{api_url}/api/auth/{each.provider_name}/callback"
