"""Build PrivateNetwork: the VPC of the stage's Aurora database and of the functions that reach the
database or a mail provider."""

from collections.abc import Iterable, Mapping, Sequence
from typing import cast

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.settings import MIN_AZ_COUNT
from mailsync.registry import HTTPS_PORT

POSTGRES_EC2_PORT = ec2.Port.tcp(5432)
_ZONE_IDS_OF_REGION = {"us-east-1": ("use1-az1", "use1-az2", "use1-az4")}
"""Ids of the availability zones to use in regions where the first three zones of an account may
include a zone without RDS Proxy. A zone id names the same zone in every AWS account."""


class PrivateNetwork(Construct):
    """A VPC in at least three availability zones. The database cannot open connections to the
    internet. The functions in the VPC reach only the database's RDS Proxy and, on the internet, the
    TCP ports that AWS and the mail providers use.

    One NAT gateway, in the first zone, serves all zones. If the gateway's zone fails, no mailbox is
    synced until the zone recovers; a gateway in each zone would triple the price.

    provider_ports: TCP ports of the mail providers' servers, by the provider's title.
    zone_ids: ids of the availability zones. Empty: the first three zones of the region, or the
        zones that `_ZONE_IDS_OF_REGION` lists for it.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        retention: str,
        provider_ports: Mapping[str, Iterable[int]],
        zone_ids: Sequence[str] = (),
    ) -> None:
        super().__init__(scope, construct_id)
        ids = zone_ids or _ZONE_IDS_OF_REGION.get(cdk.Stack.of(self).region, ())
        self.vpc = ec2.Vpc(
            self,
            "Vpc",
            # CDK does not look up the zones, so synthesis needs no AWS account.
            availability_zones=[
                cdk.Fn.select(place, cdk.Fn.get_azs()) for place in range(len(ids) or MIN_AZ_COUNT)
            ],
            nat_gateways=1,
            # CDK would deploy a function to close the default group, which no resource uses.
            restrict_default_security_group=False,
            subnet_configuration=[
                _subnets("Nat", ec2.SubnetType.PUBLIC),
                _subnets("Functions", ec2.SubnetType.PRIVATE_WITH_EGRESS),
                _subnets("Database", ec2.SubnetType.PRIVATE_ISOLATED),
            ],
        )
        if ids:
            self._place_subnets(ids)
        self._log_rejected_traffic(retention)
        self.functions = self._group("Functions", "The functions that sync")
        self.proxy = self._group("Proxy", "The proxy of the database")
        self.database = self._group("Database", "The database")
        self.readers = self._group("Readers", "Whoever bears it may reach the database")

        for port, use in sorted(_uses_of_ports(provider_ports).items()):
            self.functions.add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(port), use)
        # CDK adds the rule from proxy to database; EC2 rejects a duplicate rule.
        _allow_postgres(self.functions, self.proxy)
        _allow_postgres(self.readers, self.database)

    def _group(self, name: str, description: str) -> ec2.SecurityGroup:
        return ec2.SecurityGroup(
            self, name, vpc=self.vpc, description=description, allow_all_outbound=False
        )

    def _place_subnets(self, zone_ids: Sequence[str]) -> None:
        """Put the subnets into the zones with these ids, which name the same zones in every AWS
        account."""
        vpc = self.vpc
        for subnets in (vpc.public_subnets, vpc.private_subnets, vpc.isolated_subnets):
            for subnet, zone_id in zip(subnets, zone_ids, strict=True):
                resource = cast(ec2.CfnSubnet, subnet.node.default_child)
                resource.availability_zone = None
                resource.availability_zone_id = zone_id

    def _log_rejected_traffic(self, retention: str) -> None:
        group = logs.LogGroup(
            self,
            "Refused",
            retention=logs.RetentionDays[retention],
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )
        self.vpc.add_flow_log(
            "FlowLog",
            destination=ec2.FlowLogDestination.to_cloud_watch_logs(group),
            traffic_type=ec2.FlowLogTrafficType.REJECT,
        )


def _uses_of_ports(provider_ports: Mapping[str, Iterable[int]]) -> dict[int, str]:
    """Return, for each port that the functions must reach, who listens on it: AWS or the mail
    providers."""
    names = {HTTPS_PORT: ["AWS"]}
    for title, ports in provider_ports.items():
        for port in ports:
            names.setdefault(port, []).append(title)
    return {port: ", ".join(listeners) for port, listeners in names.items()}


def _subnets(name: str, kind: ec2.SubnetType) -> ec2.SubnetConfiguration:
    return ec2.SubnetConfiguration(name=name, subnet_type=kind, cidr_mask=22)


def _allow_postgres(source: ec2.SecurityGroup, target: ec2.SecurityGroup) -> None:
    """Allow Postgres connections from `source` to `target`: add an egress rule to `source` and an
    ingress rule to `target`."""
    source.connections.allow_to(target, POSTGRES_EC2_PORT)
