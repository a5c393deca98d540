"""Lambda function `receive-event`: starts the sync or the self-test that an event on the bus
requests."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from mailsync.events.incoming import SyncOrSelfTestEventReceiver
from mailsync.log import logger
from mailsync.metrics import emit_metrics_after_handler
from mailsync.runs.step_functions import StepFunctions
from mailsync.runs.trigger import create_sync_starter
from mailsync.settings import load_settings
from mailsync.store.account_store import AccountStore
from mailsync.store.connection import open_database


@logger.inject_lambda_context(clear_state=True)
@emit_metrics_after_handler
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, str]:
    settings = load_settings()
    accounts = AccountStore(open_database())
    receiver = SyncOrSelfTestEventReceiver(
        accounts, create_sync_starter(), StepFunctions(), settings
    )
    return receiver.handle_event(event, self_test_arn=settings.self_test_state_machine_arn)
