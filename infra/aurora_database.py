"""Build AuroraDatabase: an Aurora database for the stage. Functions connect through an RDS Proxy
with IAM authentication."""

import aws_cdk as cdk
from aws_cdk import Acknowledgment, Validations
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_rds as rds
from constructs import Construct

from infra.catalog import Capability
from infra.private_network import PrivateNetwork
from infra.settings import StageSettings
from infra.sync_functions import LambdaFunctionConstruct

DATABASE_NAME = "mailsync"
OWNER_USER, FUNCTIONS_USER = "mailsync_owner", "mailsync_functions"
_LOG_DAYS = 7
_PROXY_ID = "DatabaseProxyId"
_ISOLATED = ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_ISOLATED)


class AuroraDatabase(Construct):
    """An Aurora PostgreSQL Serverless v2 cluster with one writer and 14 days of backups. The
    cluster is retained when its stack is deleted.

    Functions authenticate to the RDS Proxy with an IAM token. The proxy authenticates to the
    database with a password from Secrets Manager. No function can read the password of the schema's
    owner. Only the function `migrate-database` can read the password of the login
    `mailsync_functions`, because it sets this password in the database.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, stage: StageSettings, network: PrivateNetwork
    ) -> None:
        super().__init__(scope, construct_id)
        self.owner_login = _login(self, "OwnerLogin", OWNER_USER)
        self.functions_login = _login(self, "FunctionsLogin", FUNCTIONS_USER)
        self.cluster = _cluster(self, stage, network, self.owner_login)
        self.proxy = rds.DatabaseProxy(
            self,
            "Proxy",
            proxy_target=rds.ProxyTarget.from_cluster(self.cluster),
            secrets=[self.owner_login, self.functions_login],
            iam_auth=True,
            require_tls=True,
            vpc=network.vpc,
            vpc_subnets=_ISOLATED,
            security_groups=[network.proxy],
        )
        # This stack outputs the proxy's id. CDK's `grant_connect` would extract the id from the ARN
        # in the other stack, by Fn::Split of Fn::GetStackOutput, which cfn-lint (1.58) rejects.
        proxy_id = cdk.Fn.select(6, cdk.Fn.split(":", self.proxy.db_proxy_arn))
        cdk.CfnOutput(self, "ProxyId", value=proxy_id).override_logical_id(_PROXY_ID)

    def allow_connecting(self, function: LambdaFunctionConstruct) -> None:
        """Let the function connect to the database.

        A function with the capability USE_SCHEMA_OWNER_LOGIN connects as the owner of the database
        schema. Every other function connects as the login `mailsync_functions`.
        """
        owns = Capability.USE_SCHEMA_OWNER_LOGIN in function.spec.capabilities
        user = OWNER_USER if owns else FUNCTIONS_USER
        function.role.add_to_policy(
            iam.PolicyStatement(actions=["rds-db:connect"], resources=[self._user_arn(user)])
        )
        url = f"postgresql://{user}@{self.proxy.endpoint}:5432/{DATABASE_NAME}"
        name = "MIGRATION_DATABASE_URL" if owns else "DATABASE_URL"
        function.function.add_environment(name, url)
        function.function.add_environment("DATABASE_AUTH", "iam")

    def _user_arn(self, user: str) -> str:
        stack = cdk.Stack.of(self)
        proxy_id = cdk.Fn.get_stack_output(stack.stack_name, _PROXY_ID)
        return stack.format_arn(
            service="rds-db",
            resource="dbuser",
            resource_name=f"{proxy_id}/{user}",
            arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
        )

    def allow_reading_functions_login_password(self, function: LambdaFunctionConstruct) -> None:
        """Let the function read the password of the login `mailsync_functions`, which the function
        sets in the database."""
        arn = self.functions_login.secret_arn
        function.function.add_environment("FUNCTIONS_LOGIN_SECRET_ARN", arn)
        self.functions_login.grant_read(function.role)


def _cluster(
    scope: Construct, stage: StageSettings, network: PrivateNetwork, owner: rds.DatabaseSecret
) -> rds.DatabaseCluster:
    cluster = rds.DatabaseCluster(
        scope,
        "Cluster",
        engine=rds.DatabaseClusterEngine.aurora_postgres(
            version=rds.AuroraPostgresEngineVersion.VER_17_7
        ),
        writer=rds.ClusterInstance.serverless_v2(
            "Writer", publicly_accessible=False, enable_performance_insights=True
        ),
        serverless_v2_min_capacity=stage.aurora_min_acu,
        serverless_v2_max_capacity=stage.aurora_max_acu,
        default_database_name=DATABASE_NAME,
        credentials=rds.Credentials.from_secret(owner),
        vpc=network.vpc,
        vpc_subnets=_ISOLATED,
        security_groups=[network.database],
        iam_authentication=True,
        # Operators run SQL by `aws rds-data`, without a network path to the database.
        enable_data_api=True,
        storage_encrypted=True,
        backup=rds.BackupProps(retention=cdk.Duration.days(14)),
        deletion_protection=True,
        removal_policy=cdk.RemovalPolicy.RETAIN,
        copy_tags_to_snapshot=True,
        # Free of charge: seven days of wait events.
        database_insights_mode=rds.DatabaseInsightsMode.STANDARD,
        enable_performance_insights=True,
        # Logs stay on the instance. Exported logs would never expire, unless a function of CDK with
        # access to every log group of the account set their retention.
        parameters={"rds.force_ssl": "1", "rds.log_retention_period": str(_LOG_DAYS * 24 * 60)},
    )
    Validations.of(cluster).acknowledge(
        Acknowledgment(
            id="AwsSolutions-RDS11",
            reason="The proxy listens on 5432 whatever the database does, and security groups "
            "admit only the proxy and the readers.",
        )
    )
    return cluster


def _login(scope: Construct, construct_id: str, user: str) -> rds.DatabaseSecret:
    login = rds.DatabaseSecret(scope, construct_id, username=user)
    login.apply_removal_policy(cdk.RemovalPolicy.RETAIN)
    Validations.of(login).acknowledge(
        Acknowledgment(
            id="AwsSolutions-SMG4",
            reason="Nobody types or stores it: the proxy alone uses it, inside the VPC, and "
            "clients show tokens of 15 minutes.",
        )
    )
    return login
