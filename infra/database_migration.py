"""DatabaseMigration: brings the schema up to date before new code is live."""

import aws_cdk as cdk
from aws_cdk import triggers
from constructs import Construct

from infra.sync_functions import SyncFunctions


class DatabaseMigration(Construct):
    """Runs `migrate-database` at every deployment that brings new code.

    The aliases of all other functions wait for it, so new code never meets the old schema;
    old code meets the new one for a moment. When it fails, the deployment rolls back.
    """

    def __init__(self, scope: Construct, construct_id: str, *, functions: SyncFunctions) -> None:
        super().__init__(scope, construct_id)
        migration = functions["migrate-database"]
        triggers.Trigger(
            self,
            "Trigger",
            handler=migration.function,
            timeout=cdk.Duration.seconds(migration.spec.timeout_s),
            execute_before=[each.alias for each in functions if each is not migration],
        )
