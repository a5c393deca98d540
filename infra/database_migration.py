"""Build DatabaseMigration, which migrates the database schema before new code goes live."""

import aws_cdk as cdk
from aws_cdk import triggers
from constructs import Construct

from infra.sync_functions import LambdaFunctions


class DatabaseMigration(Construct):
    """A CDK trigger that runs the function `migrate-database` at every deployment with new code.

    The aliases of all other functions depend on the trigger, so new code never runs on the old
    schema. The code of the previous release runs on the new schema for a moment. If the migration
    fails, the deployment rolls back.
    """

    def __init__(self, scope: Construct, construct_id: str, *, functions: LambdaFunctions) -> None:
        super().__init__(scope, construct_id)
        migration = functions["migrate-database"]
        triggers.Trigger(
            self,
            "Trigger",
            handler=migration.function,
            timeout=cdk.Duration.seconds(migration.spec.timeout_s),
            execute_before=[each.alias for each in functions if each is not migration],
        )
