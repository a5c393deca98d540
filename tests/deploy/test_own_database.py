"""A stage with `"database": "aurora"`: what is made, who reaches it; other stages have none of it.

No AWS account has seen this template; these tests read what it creates.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from infra import catalog
from infra.catalog import Capability
from infra.settings import StageSettings, tcp_ports_by_provider_title
from mailsync import registry
from mailsync.model import ProviderName
from mailsync.registry import RegisteredProvider
from tests.deploy import synthesis
from tests.deploy.conftest import template_of
from tests.deploy.template import Resource, Template, as_list, role_of
from tests.support.paths import ROOT

FUNCTIONS, OWNER = "mailsync_functions", "mailsync_owner"
USERS = {
    each.name: FUNCTIONS
    for each in catalog.FUNCTIONS
    if Capability.USE_DATABASE in each.capabilities
}
USERS["migrate-database"] = OWNER
NETWORK_ACTIONS = {
    *(f"ec2:{verb}NetworkInterface" for verb in ("Create", "Delete")),
    *("ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets"),
    *(f"ec2:{verb}PrivateIpAddresses" for verb in ("Assign", "Unassign")),
}


def test_other_stages_have_no_network_or_database(sync: Template, stateful: Template) -> None:
    kinds = {each["Type"].split("::")[1] for each in stateful.resources.values()}

    assert kinds == {"KMS", "SecretsManager"}
    assert "MigrationSecretArn" in stateful.outputs
    for _, properties in sync.functions():
        assert "VpcConfig" not in properties
        assert not {"DATABASE_URL", "DATABASE_AUTH"} & properties["Environment"]["Variables"].keys()


def test_the_database_survives_its_stack(own: Template) -> None:
    kept = [own.only("AWS::RDS::DBCluster"), own.only("AWS::RDS::DBInstance")]
    kept += own.of_type("AWS::SecretsManager::Secret").values()

    assert all(each["DeletionPolicy"] == each["UpdateReplacePolicy"] == "Retain" for each in kept)


def test_the_database_is_protected_backed_up_encrypted_and_watched(own: Template) -> None:
    expected = {
        **{"DeletionProtection": True, "BackupRetentionPeriod": 14, "StorageEncrypted": True},
        "ServerlessV2ScalingConfiguration": {"MinCapacity": 0.5, "MaxCapacity": 8},
        **{"DatabaseInsightsMode": "standard", "PerformanceInsightsRetentionPeriod": 7},
    }
    parameters = own.only_one("AWS::RDS::DBClusterParameterGroup")["Parameters"]

    assert own.only_one("AWS::RDS::DBCluster").items() >= expected.items()
    assert own.only_one("AWS::RDS::DBInstance")["DBInstanceClass"] == "db.serverless"
    assert parameters == {"rds.force_ssl": "1", "rds.log_retention_period": "10080"}


def test_the_database_is_unreachable_from_outside(own: Template) -> None:
    group = own.only_one("AWS::RDS::DBSubnetGroup")["SubnetIds"]
    proxy = own.only_one("AWS::RDS::DBProxy")["VpcSubnetIds"]
    routed = {each["RouteTableId"]["Ref"] for each in own.all_of("AWS::EC2::Route")}
    tables = {
        each["SubnetId"]["Ref"]: each["RouteTableId"]["Ref"]
        for each in own.all_of("AWS::EC2::SubnetRouteTableAssociation")
    }

    assert own.only_one("AWS::RDS::DBInstance")["PubliclyAccessible"] is False
    assert len(group) == 3
    assert group == proxy
    assert not {tables[each["Ref"]] for each in group} & routed


def test_three_zones_share_one_nat_gateway(own: Template) -> None:
    """Of three zones, one may lack RDS Proxy or fail."""
    zones = [each["AvailabilityZone"]["Fn::Select"][0] for each in own.all_of("AWS::EC2::Subnet")]

    assert len(own.of_type("AWS::EC2::NatGateway")) == 1
    assert sorted(map(int, zones)) == [0, 0, 0, 1, 1, 1, 2, 2, 2]


CHOSEN = ["euw1-az3", "euw1-az1", "euw1-az2"]


@pytest.mark.parametrize(
    ("region", "setting", "zones"),
    [
        ("eu-west-1", {"aurora_zone_ids": CHOSEN}, CHOSEN),
        # use1-az3 has no RDS Proxy, and its name differs from account to account.
        ("us-east-1", {}, ["use1-az1", "use1-az2", "use1-az4"]),
    ],
)
def test_subnets_are_in_the_zones_that_the_setting_or_the_region_names_by_id(
    tmp_path: Path, region: str, setting: dict[str, object], zones: list[str]
) -> None:
    context = {"stage": "own", "stages": {"own": {**synthesis.OWN_DATABASE, **setting}}}
    synthesis.app(tmp_path, context, account="111122223333", region=region).synth()
    subnets = template_of(tmp_path, "Mailsync-own-Stateful").all_of("AWS::EC2::Subnet")

    assert not any("AvailabilityZone" in each for each in subnets)
    assert sorted(each["AvailabilityZoneId"] for each in subnets) == sorted(3 * zones)


def test_security_groups_admit_each_other_once_and_no_address(own: Template) -> None:
    """EC2 refuses a rule that is there already, and with it the stack."""
    ways = sorted(ways_in(own))

    assert ways == [("Functions", "Proxy"), ("Proxy", "Database"), ("Readers", "Database")]


def ways_in(template: Template) -> Iterator[tuple[str, str]]:
    """Source and target of each rule, by the names of their groups."""
    for group in template.all_of("AWS::EC2::SecurityGroup"):
        assert "SecurityGroupIngress" not in group
    for rule in template.all_of("AWS::EC2::SecurityGroupIngress"):
        yield name_of(rule["SourceSecurityGroupId"]), name_of(rule["GroupId"])


def name_of(reference: Resource) -> str:
    logical_id = reference["Fn::GetAtt"][0]
    names = ("Functions", "Proxy", "Readers", "Database")
    (name,) = (each for each in names if logical_id.startswith(f"Network{each}"))
    return name


def ways_out(template: Template) -> list[tuple[str, int, int, str]]:
    """Addresses, ports and description of each egress rule that admits addresses."""
    return [
        (each["CidrIp"], each["FromPort"], each["ToPort"], each["Description"])
        for group in template.all_of("AWS::EC2::SecurityGroup")
        for each in group.get("SecurityGroupEgress", ())
        if each["CidrIp"] != "255.255.255.255/32"
    ]


def test_functions_go_out_by_https_and_imap_only(own: Template) -> None:
    assert sorted(ways_out(own)) == [
        ("0.0.0.0/0", 143, 143, "IMAP"),
        ("0.0.0.0/0", 443, 443, "AWS, Microsoft 365"),
        ("0.0.0.0/0", 993, 993, "IMAP"),
    ]


@pytest.mark.parametrize(
    ("kit_module", "ports"), [(None, [443]), ("post.kit", [110, 443, 993])], ids=["known", "synced"]
)
def test_functions_reach_each_port_of_the_providers_that_are_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kit_module: str | None, ports: list[int]
) -> None:
    """EC2 rejects a second rule for the same port."""
    post = RegisteredProvider(
        ProviderName("post"), "Post", "email/post.sync", implementation_module=kit_module
    )
    known = (
        *registry.REGISTERED_PROVIDERS,
        replace(post, tcp_ports_of_provider_servers=(993, 110, 443)),
    )
    monkeypatch.setattr(registry, "REGISTERED_PROVIDERS", known)

    assert sorted(port for _, port, *_ in ways_out(network(tmp_path))) == ports


@pytest.mark.parametrize(
    ("servers", "ports"),
    [
        (None, [443]),
        ("public", [143, 443, 993]),
        ("imap.mailsync.test:993", [443, 993]),
        ("public,imap.mailsync.test:1993", [143, 443, 993, 1993]),
    ],
)
def test_functions_reach_the_ports_of_the_mail_servers_that_the_stage_lists(
    tmp_path: Path, servers: str | None, ports: list[int]
) -> None:
    found = network(tmp_path, imap_servers=servers)

    assert sorted(port for _, port, *_ in ways_out(found)) == ports


def network(folder: Path, **settings: object) -> Template:
    """A stack with nothing but the network of a stage with these settings."""
    import aws_cdk as cdk

    from infra.private_network import PrivateNetwork

    stage = StageSettings.from_raw_stages(
        "test", {"test": {"app_inbox_url": "app://x", **settings}}
    )
    app = cdk.App(outdir=str(folder))
    PrivateNetwork(
        cdk.Stack(app, "Network"),
        "Network",
        retention="ONE_WEEK",
        provider_ports=tcp_ports_by_provider_title(stage),
    )
    app.synth()
    return Template(json.loads((folder / "Network.template.json").read_text()))


def test_the_proxy_takes_tokens_only_and_over_tls_only(own: Template) -> None:
    proxy = own.only_one("AWS::RDS::DBProxy")

    assert proxy["RequireTLS"] is True
    assert [each["IAMAuth"] for each in proxy["Auth"]] == ["REQUIRED", "REQUIRED"]


def test_each_function_may_connect_as_one_user(own_sync: Template) -> None:
    allowed = own_sync.may("rds-db:connect")

    assert {name: user_of(each) for name, each in allowed.items()} == USERS


def user_of(statement: Resource) -> str:
    """The end of .../dbuser:PROXY/USER; one resource, without a wildcard."""
    (resource,) = as_list(statement["Resource"])
    text = json.dumps(resource)
    assert "*" not in text
    assert "Fn::Split" not in text  # cfn-lint: not of another stack's outputs
    assert ":dbuser:" in text
    return str(resource["Fn::Join"][1][-1]).removeprefix("/")


def test_each_functions_url_names_that_user_and_no_password(own_sync: Template) -> None:
    for spec, properties in own_sync.functions():
        values = properties["Environment"]["Variables"]
        urls = {name: values[name] for name in values if name.endswith("DATABASE_URL")}
        if spec.name not in USERS:
            assert not urls
            continue
        (url,) = urls.values()
        assert url["Fn::Join"][1][0] == f"postgresql://{USERS[spec.name]}@"
        assert url["Fn::Join"][1][-1] == ":5432/mailsync"
        assert values["DATABASE_AUTH"] == "iam"


def test_only_the_migration_reads_a_password(own: Template, own_sync: Template) -> None:
    read = {
        (name, own.referred(secret)["Ref"].removeprefix("Database")[:8])
        for name, secret in own_sync.allowed("secretsmanager:GetSecretValue")
    }

    kept = {"Provider", "Applicat"}
    assert {each for each in read if each[1] not in kept} == {("migrate-database", "Function")}


def test_every_function_but_the_authorizer_is_in_the_network(own_sync: Template) -> None:
    """The self-test of the provider goes the way of those that sync, through the NAT gateway."""
    within = {spec.name for spec, properties in own_sync.functions() if "VpcConfig" in properties}

    assert within == {each.name for each in catalog.FUNCTIONS} - {"authorize"}


def test_network_interfaces_are_made_by_lambda_and_not_by_the_code(own_sync: Template) -> None:
    for spec, properties in own_sync.functions():
        statements = own_sync.statements(role_of(properties))
        allowed, denied = (
            [
                each
                for each in statements
                if each["Effect"] == effect and set(as_list(each["Action"])) >= NETWORK_ACTIONS
            ]
            for effect in ("Allow", "Deny")
        )
        assert len(allowed) == len(denied) == (spec is not catalog.AUTHORIZER_FUNCTION)
        for each in denied:
            assert each["Condition"] == {"Null": {"lambda:SourceFunctionArn": "false"}}


def test_the_outputs_name_where_the_database_is(own: Template) -> None:
    names = {name for name in own.outputs if not name.startswith("PublishOutput")}
    guide = (ROOT / "docs/deploy.md").read_text()

    assert names == {
        *("ProviderLoginsSecretArn", "ApplicationKeySecretArn", "OwnerSecretArn"),
        *("VpcId", "ReadersSecurityGroupId"),
        *("DatabaseHost", "DatabaseArn", "DatabaseProxyId"),
    }
    assert all(f"`{name}`" in guide for name in names)
