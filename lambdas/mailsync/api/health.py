"""Define the routes that report whether Mailsync works: the health check and the self-test."""

from uuid import uuid4

from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from mailsync.api.caller import caller_user_id
from mailsync.api.models import Health, SelfTestStarted
from mailsync.api.openapi_responses import describe_responses
from mailsync.api.rate_limits import (
    USER_ID_OF_LIMIT_FOR_ALL_USERS,
    RateLimitedCall,
    count_against_rate_limit,
)
from mailsync.log import logger
from mailsync.runs.step_functions import StepFunctions
from mailsync.settings import load_settings
from mailsync.store.connection import open_database
from mailsync.store.migrate import require_writable_migrated_database

router = APIGatewayHttpRouter()  # type: ignore[no-untyped-call]


@router.get(
    "/api/test-inngest",
    summary="Start the self-test, under the path of earlier clients",
    description="The same as `GET /api/test-sync`.",
    operation_id="start_self_test_by_earlier_path",
    responses=describe_responses({200: SelfTestStarted}),
    deprecated=True,
)
@router.get(
    "/api/test-sync",
    summary="Start the self-test of the workflows",
    operation_id="start_self_test",
    responses=describe_responses({200: SelfTestStarted}),
)
def start_self_test_execution() -> SelfTestStarted:
    """Start an execution of the self-test workflow; return without waiting for its end."""
    count_against_rate_limit(
        caller_user_id(router.current_event), RateLimitedCall.SELF_TEST_BY_ONE_USER
    )
    count_against_rate_limit(USER_ID_OF_LIMIT_FOR_ALL_USERS, RateLimitedCall.SELF_TEST_BY_ALL_USERS)
    name = str(uuid4())
    arn = StepFunctions().start_execution(load_settings().self_test_state_machine_arn, name, {})
    logger.info("self_test_started", execution=name)
    return SelfTestStarted(execution_arn=arn, event_id=name)


@router.get(
    "/api/health",
    summary="Report whether the database is usable",
    operation_id="get_health",
    responses=describe_responses({200: Health}, public=True),
)
def show_health() -> Health:
    """Return 200 if the database accepts writes and has the schema of this version; else raise an
    error, to which the API responds with a problem."""
    require_writable_migrated_database(open_database())
    return Health()
