"""What must survive: the token key, the secrets, and a database of the stage's own.

Deployed first, deleted never.
"""

from typing import Any

import aws_cdk as cdk
from constructs import Construct

from infra.aurora_database import AuroraDatabase
from infra.private_network import PrivateNetwork
from infra.settings import StageSettings
from infra.settings_secret import MigrationSecret, SettingsSecret
from infra.sync_functions import SyncFunction
from infra.token_key import TokenKey


class StatefulStack(cdk.Stack):
    """`network` is None where the database is brought by somebody else."""

    def __init__(
        self, scope: Construct, construct_id: str, *, stage: StageSettings, **props: Any
    ) -> None:
        super().__init__(scope, construct_id, termination_protection=True, **props)
        self.token_key = TokenKey(self, "TokenKey")
        self.settings_secret = SettingsSecret(self, "Settings")
        self.network: PrivateNetwork | None = None
        self._database: AuroraDatabase | None = None
        self._migration_secret: MigrationSecret | None = None
        self._tell(
            "SettingsSecretArn",
            "Fill it before deploying the other stack",
            self.settings_secret.arn,
        )
        if stage.database == "aurora":
            network = PrivateNetwork(self, "Network", retention=stage.log_retention)
            database = AuroraDatabase(self, "Database", stage=stage, network=network)
            self.network, self._database = network, database
            self._tell_of_database(network, database)
        else:
            self._migration_secret = MigrationSecret(self, "Migration")
            self._tell(
                "MigrationSecretArn",
                "For the login of the schema's owner, if the functions have another",
                self._migration_secret.arn,
            )

    def allow_use_database(self, function: SyncFunction) -> None:
        self.settings_secret.allow_read(function)
        if self._database:
            self._database.allow_connect(function)

    def allow_migrate(self, function: SyncFunction) -> None:
        if self._database:
            self._database.allow_make_login(function)
        if self._migration_secret:
            self._migration_secret.allow_read(function)

    def _tell_of_database(self, network: PrivateNetwork, database: AuroraDatabase) -> None:
        """What an application and an operator need to reach it."""
        cluster = database.cluster
        self._tell("VpcId", "Where readers of the database stand", network.vpc.vpc_id)
        self._tell("ReadersSecurityGroupId", "What readers bear", network.readers.security_group_id)
        self._tell(
            "DatabaseHost", "The database itself, for readers", cluster.cluster_endpoint.hostname
        )
        self._tell("DatabaseArn", "For SQL by aws rds-data", cluster.cluster_arn)
        self._tell("OwnerSecretArn", "The owner's login", database.owner_login.secret_arn)

    def _tell(self, name: str, description: str, value: str) -> None:
        cdk.CfnOutput(self, name, description=description, value=value)
