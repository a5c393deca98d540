"""Build StatefulStack: the resources that hold data (the KMS key of stored tokens, the secrets, and
the database if the stage creates one).

The stack is deployed before SyncStack and has termination protection.
"""

from typing import Any

import aws_cdk as cdk
from constructs import Construct

from infra.aurora_database import AuroraDatabase
from infra.catalog import Capability
from infra.private_network import PrivateNetwork
from infra.settings import StageSettings, tcp_ports_by_provider_title
from infra.settings_secret import StageSecrets
from infra.sync_functions import LambdaFunctionConstruct
from infra.token_key import TokenKey


class StatefulStack(cdk.Stack):
    """The stack with the resources that hold data: the KMS key of stored tokens, the secrets and,
    if the setting `database` is "aurora", the database with its network.

    network: the VPC of the database. None: the operator provides the database.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, stage: StageSettings, **props: Any
    ) -> None:
        super().__init__(scope, construct_id, termination_protection=True, **props)
        self.token_key = TokenKey(self, "TokenKey")
        self.secrets = StageSecrets(self, stage)
        self.network: PrivateNetwork | None = None
        self._database: AuroraDatabase | None = None
        if stage.database == "aurora":
            network = PrivateNetwork(
                self,
                "Network",
                retention=stage.log_retention,
                provider_ports=tcp_ports_by_provider_title(stage),
                zone_ids=stage.aurora_zone_ids,
            )
            database = AuroraDatabase(self, "Database", stage=stage, network=network)
            self.network, self._database = network, database
            self._output_database(network, database)

    def allow_connecting_to_database(self, function: LambdaFunctionConstruct) -> None:
        """Let the function connect to the stage's database."""
        self.secrets.secret_access_granters_by_capability[Capability.USE_DATABASE](function)
        if self._database:
            self._database.allow_connecting(function)

    def allow_function_to_migrate_schema(self, function: LambdaFunctionConstruct) -> None:
        """Let the function migrate the database schema.

        With an Aurora database, this method lets the function read the password of the login
        `mailsync_functions`, because the function sets this password in the database. The owner's
        login comes from `allow_connecting_to_database`. With a database of the operator, this
        method lets the function read the database URL with the owner's login.
        """
        if self._database:
            self._database.allow_reading_functions_login_password(function)
        else:
            self.secrets.secret_access_granters_by_capability[Capability.USE_SCHEMA_OWNER_LOGIN](
                function
            )

    def _output_database(self, network: PrivateNetwork, database: AuroraDatabase) -> None:
        """Add stack outputs with what applications and operators need to reach the database."""
        cluster = database.cluster
        self._output("VpcId", "VPC of the database and its readers", network.vpc.vpc_id)
        readers, endpoint = network.readers, cluster.cluster_endpoint
        self._output("ReadersSecurityGroupId", "Group of readers", readers.security_group_id)
        self._output("DatabaseHost", "Database endpoint, for readers", endpoint.hostname)
        self._output("DatabaseArn", "For SQL by aws rds-data", cluster.cluster_arn)
        self._output("OwnerSecretArn", "The owner's login", database.owner_login.secret_arn)

    def _output(self, name: str, description: str, value: str) -> None:
        cdk.CfnOutput(self, name, description=description, value=value)
