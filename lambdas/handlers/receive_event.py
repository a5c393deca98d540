"""Events on the bus that ask for something: starts the sync or the self-test."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from mailsync.events.incoming import Receiver
from mailsync.log import logger
from mailsync.metrics import metered
from mailsync.runs.trigger import Trigger, Workflows
from mailsync.settings import load_settings
from mailsync.store.connection import open_database
from mailsync.store.run_store import RunStore


@logger.inject_lambda_context(clear_state=True)
@metered
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, str]:
    settings, runs, workflows = load_settings(), RunStore(open_database()), Workflows()
    trigger = Trigger(runs, workflows, settings.mailbox_sync_arn)
    receiver = Receiver(runs, trigger, workflows)
    return receiver.answer(event, self_test_arn=settings.test_sync_arn)
