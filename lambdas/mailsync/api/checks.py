"""Routes that tell whether the system itself works."""

from uuid import uuid4

from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from mailsync.api.caller import user_id
from mailsync.api.documented import answers
from mailsync.api.limits import EVERYBODY, Kind, spend
from mailsync.api.models import Health, SelfTestStarted
from mailsync.log import logger
from mailsync.runs.step_functions import StepFunctions
from mailsync.settings import load_settings
from mailsync.store.connection import open_database
from mailsync.store.migrate import require_usable

router = APIGatewayHttpRouter()  # type: ignore[no-untyped-call]


@router.get(
    "/api/test-sync",
    summary="Start the self-test of the workflows",
    responses=answers({200: SelfTestStarted}),
)
def start_self_test() -> SelfTestStarted:
    spend(user_id(router.current_event), Kind.SELF_TEST)
    spend(EVERYBODY, Kind.SELF_TESTS)
    name = str(uuid4())
    arn = StepFunctions().start(load_settings().test_sync_arn, name, {})
    logger.info("self_test_started", execution=name)
    return SelfTestStarted(execution_arn=arn, event_id=name)


@router.get(
    "/api/health",
    summary="Tell whether the system works",
    responses=answers({200: Health}, public=True),
)
def health() -> Health:
    """Public: the database answers, can be written, and its schema is the one of this code."""
    require_usable(open_database())
    return Health()
