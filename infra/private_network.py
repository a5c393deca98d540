"""Build PrivateNetwork: the VPC of the stage's database and of the functions that use it."""

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_logs as logs
from constructs import Construct

from mailsync.registry import HTTPS_PORT, syncable_providers

POSTGRES_PORT = ec2.Port.tcp(5432)
_ZONES = 2


class PrivateNetwork(Construct):
    """A VPC over two availability zones. The database has no egress; the functions reach only the
    ports of AWS and of the mail providers.

    One NAT gateway serves both zones. If the gateway's zone fails, no mailbox is synced until the
    zone recovers; a second gateway would double the price.
    """

    def __init__(self, scope: Construct, construct_id: str, *, retention: str) -> None:
        super().__init__(scope, construct_id)
        self.vpc = ec2.Vpc(
            self,
            "Vpc",
            max_azs=_ZONES,
            nat_gateways=1,
            # CDK would deploy a function to close the default group, which no resource uses.
            restrict_default_security_group=False,
            subnet_configuration=[
                _subnets("Nat", ec2.SubnetType.PUBLIC),
                _subnets("Functions", ec2.SubnetType.PRIVATE_WITH_EGRESS),
                _subnets("Database", ec2.SubnetType.PRIVATE_ISOLATED),
            ],
        )
        self._log_rejected_traffic(retention)
        self.functions = self._group("Functions", "The functions that sync")
        self.proxy = self._group("Proxy", "The proxy of the database")
        self.database = self._group("Database", "The database")
        self.readers = self._group("Readers", "Whoever bears it may reach the database")

        for port, use in sorted(_uses_of_ports().items()):
            self.functions.add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(port), use)
        # CDK adds the rule from proxy to database; EC2 rejects a duplicate rule.
        _allow_postgres(self.functions, self.proxy)
        _allow_postgres(self.readers, self.database)

    def _group(self, name: str, description: str) -> ec2.SecurityGroup:
        return ec2.SecurityGroup(
            self, name, vpc=self.vpc, description=description, allow_all_outbound=False
        )

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


def _uses_of_ports() -> dict[int, str]:
    """Return, for each port that the functions must reach, who listens on it: AWS or the mail
    providers."""
    names = {HTTPS_PORT: ["AWS"]}
    for each in syncable_providers():
        for port in each.ports:
            names.setdefault(port, []).append(each.title)
    return {port: ", ".join(listeners) for port, listeners in names.items()}


def _subnets(name: str, kind: ec2.SubnetType) -> ec2.SubnetConfiguration:
    return ec2.SubnetConfiguration(name=name, subnet_type=kind, cidr_mask=22)


def _allow_postgres(source: ec2.SecurityGroup, target: ec2.SecurityGroup) -> None:
    """Allow Postgres connections from `source` to `target`: add an egress rule to `source` and an
    ingress rule to `target`."""
    source.connections.allow_to(target, POSTGRES_PORT)
