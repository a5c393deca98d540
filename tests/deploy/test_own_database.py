"""A stage with `"database": "aurora"`: what is made, who reaches it; other stages have none of it.

No AWS account has seen this template; what it asks for is asked here in words.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra import catalog
from infra.catalog import Capability
from tests.deploy import synthesis
from tests.deploy.template import Resource, Template, as_list, role_of
from tests.support.paths import ROOT

OWN = {"app_inbox_url": "https://app.example.com/inbox", "database": "aurora"}
STAGE = {"stage": "own", "stages": {"own": OWN}}
FUNCTIONS, OWNER = "mailsync_functions", "mailsync_owner"
USERS = {each.name: FUNCTIONS for each in catalog.FUNCTIONS if Capability.DATABASE in each.needs}
USERS["migrate-database"] = OWNER
NETWORK_ACTIONS = {
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
}


@pytest.fixture(scope="module")
def own_assembly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The synthesis fails on any cdk-nag finding that nobody acknowledged with a reason."""
    folder = tmp_path_factory.mktemp("cdk.out")
    synthesis.app(folder, STAGE).synth()
    return folder


@pytest.fixture(scope="module")
def own(own_assembly: Path) -> Template:
    return Template(json.loads((own_assembly / "Mailsync-own-Stateful.template.json").read_text()))


@pytest.fixture(scope="module")
def own_sync(own_assembly: Path) -> Template:
    return Template(json.loads((own_assembly / "Mailsync-own-Sync.template.json").read_text()))


def test_without_the_setting_there_is_no_network_and_no_database(
    sync: Template, stateful: Template
) -> None:
    kinds = {each["Type"].split("::")[1] for each in stateful.resources.values()}

    assert kinds == {"KMS", "SecretsManager"}
    assert "MigrationSecretArn" in stateful.outputs
    for _, properties in sync.functions():
        assert "VpcConfig" not in properties
        assert not {"DATABASE_URL", "DATABASE_AUTH"} & properties["Environment"]["Variables"].keys()


def test_the_database_survives_and_is_backed_up(own: Template) -> None:
    kept = [own.only("AWS::RDS::DBCluster"), own.only("AWS::RDS::DBInstance")]
    kept += own.of_type("AWS::SecretsManager::Secret").values()

    assert all(each["DeletionPolicy"] == each["UpdateReplacePolicy"] == "Retain" for each in kept)
    cluster = kept[0]["Properties"]
    assert cluster["DeletionProtection"] is True
    assert cluster["BackupRetentionPeriod"] == 14


def test_the_database_is_encrypted_serverless_and_watched_for_a_week(own: Template) -> None:
    cluster = own.only("AWS::RDS::DBCluster")["Properties"]
    parameters = own.only("AWS::RDS::DBClusterParameterGroup")["Properties"]["Parameters"]

    assert cluster["StorageEncrypted"] is True
    assert cluster["ServerlessV2ScalingConfiguration"] == {"MinCapacity": 0.5, "MaxCapacity": 8}
    assert own.only("AWS::RDS::DBInstance")["Properties"]["DBInstanceClass"] == "db.serverless"
    assert cluster["DatabaseInsightsMode"] == "standard"
    assert cluster["PerformanceInsightsRetentionPeriod"] == 7
    assert parameters == {"rds.force_ssl": "1", "rds.log_retention_period": "10080"}


def test_nobody_reaches_the_database_from_outside(own: Template) -> None:
    group = own.only("AWS::RDS::DBSubnetGroup")["Properties"]["SubnetIds"]
    proxy = own.only("AWS::RDS::DBProxy")["Properties"]["VpcSubnetIds"]
    routed = {
        route["Properties"]["RouteTableId"]["Ref"]
        for route in own.of_type("AWS::EC2::Route").values()
    }
    tables = {
        each["Properties"]["SubnetId"]["Ref"]: each["Properties"]["RouteTableId"]["Ref"]
        for each in own.of_type("AWS::EC2::SubnetRouteTableAssociation").values()
    }

    assert own.only("AWS::RDS::DBInstance")["Properties"]["PubliclyAccessible"] is False
    assert len(group) == 2
    assert group == proxy
    assert not {tables[each["Ref"]] for each in group} & routed


def test_two_zones_share_one_nat_gateway(own: Template) -> None:
    assert len(own.of_type("AWS::EC2::NatGateway")) == 1
    assert len(own.of_type("AWS::EC2::Subnet")) == 3 * 2


def test_a_security_group_names_each_way_once_and_no_address_is_admitted(own: Template) -> None:
    """EC2 refuses a rule that is there already, and with it the stack."""
    ways = sorted(ways_in(own))

    assert ways == [("Functions", "Proxy"), ("Proxy", "Database"), ("Readers", "Database")]


def ways_in(template: Template) -> Iterator[tuple[str, str]]:
    """Source and target of each rule, by the names of their groups."""
    for each in template.of_type("AWS::EC2::SecurityGroup").values():
        assert "SecurityGroupIngress" not in each["Properties"]
    for rule in template.of_type("AWS::EC2::SecurityGroupIngress").values():
        properties = rule["Properties"]
        yield (
            name_of(template, properties["SourceSecurityGroupId"]),
            name_of(template, properties["GroupId"]),
        )


def name_of(template: Template, reference: Resource) -> str:
    logical_id = reference["Fn::GetAtt"][0]
    names = ("Functions", "Proxy", "Readers", "Database")
    (name,) = (each for each in names if logical_id.startswith(f"Network{each}"))
    return name


def test_functions_go_out_by_https_only(own: Template) -> None:
    out = [
        (each["CidrIp"], each["FromPort"], each["ToPort"])
        for group in own.of_type("AWS::EC2::SecurityGroup").values()
        for each in group["Properties"].get("SecurityGroupEgress", ())
        if each["CidrIp"] != "255.255.255.255/32"
    ]

    assert out == [("0.0.0.0/0", 443, 443)]


def test_the_proxy_takes_tokens_only_and_over_tls_only(own: Template) -> None:
    proxy = own.only("AWS::RDS::DBProxy")["Properties"]

    assert proxy["RequireTLS"] is True
    assert [each["IAMAuth"] for each in proxy["Auth"]] == ["REQUIRED", "REQUIRED"]


def test_each_function_may_connect_as_the_user_of_its_role_and_as_no_other(
    own_sync: Template,
) -> None:
    allowed = own_sync.may("rds-db:connect")

    assert {name: user_of(each) for name, each in allowed.items()} == USERS


def user_of(statement: Resource) -> str:
    """The end of .../dbuser:PROXY/USER; one resource, without a wildcard."""
    (resource,) = as_list(statement["Resource"])
    text = json.dumps(resource)
    assert "*" not in text
    assert "Fn::Split" not in text  # cfn-lint: not of what another stack tells
    assert ":dbuser:" in text
    return str(resource["Fn::Join"][1][-1]).removeprefix("/")


def test_each_function_is_told_to_connect_as_that_user_and_of_no_password(
    own_sync: Template,
) -> None:
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


def test_only_the_migration_reads_a_password_and_not_that_of_the_owner(
    own: Template, own_sync: Template
) -> None:
    read = {
        (spec.name, own.referred(resource)["Ref"].removeprefix("Database")[:8])
        for spec, properties in own_sync.functions()
        for statement in own_sync.statements(role_of(properties))
        if "secretsmanager:GetSecretValue" in as_list(statement["Action"])
        for resource in as_list(statement["Resource"])
        if "Settings" not in own.referred(resource)["Ref"]
    }

    assert read == {("migrate-database", "Function")}


def test_who_reaches_database_or_provider_stands_in_the_network_and_the_authorizer_does_not(
    own_sync: Template,
) -> None:
    """The self-test of the provider goes the way of those that sync, through the NAT gateway."""
    within = {spec.name for spec, properties in own_sync.functions() if "VpcConfig" in properties}

    assert within == {each.name for each in catalog.FUNCTIONS} - {"authorize"}


def test_network_interfaces_are_lambdas_matter_and_not_the_codes(own_sync: Template) -> None:
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
        assert len(allowed) == len(denied) == (spec is not catalog.AUTHORIZER)
        for each in denied:
            assert each["Condition"] == {"Null": {"lambda:SourceFunctionArn": "false"}}


def test_no_role_uses_a_policy_that_aws_manages_but_that_of_the_trigger(
    own: Template, own_sync: Template
) -> None:
    managed = [
        key
        for template in (own, own_sync)
        for key, each in template.of_type("AWS::IAM::Role").items()
        if each["Properties"].get("ManagedPolicyArns")
    ]

    assert [key.startswith("AWSCDKTrigger") for key in managed] == [True]


def test_operators_and_readers_are_told_where_it_is(own: Template) -> None:
    told = {name for name in own.outputs if not name.startswith("PublishOutput")}
    guide = (ROOT / "docs/deploy.md").read_text()

    assert told == {
        "SettingsSecretArn",
        "VpcId",
        "ReadersSecurityGroupId",
        "DatabaseHost",
        "DatabaseArn",
        "OwnerSecretArn",
        "DatabaseProxyId",
    }
    assert all(f"`{name}`" in guide for name in told)


def test_a_named_account_and_region_raise_no_finding(tmp_path: Path) -> None:
    app = synthesis.app(tmp_path, STAGE, account="111122223333", region="eu-west-1")

    made = app.synth()  # a finding is an error

    assert {each.stack_name for each in made.stacks} == {
        "Mailsync-own-Stateful",
        "Mailsync-own-Sync",
    }
