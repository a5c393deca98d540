"""The SQL of docs/operations.md and troubleshooting.md runs; their log queries name what we log."""

import ast
import re

import pytest

from infra import catalog
from mailsync.metrics import METRICS
from mailsync.model import AccountId, RunId
from mailsync.store.connection import Database
from mailsync.store.run_store import RunStore
from tests.store.rows import rows
from tests.store.two_mailboxes import fill
from tests.support.paths import ROOT

RUNBOOK = (ROOT / "docs/operations.md").read_text()
PAGES = RUNBOOK + (ROOT / "docs/troubleshooting.md").read_text()
EXAMPLES = re.findall(r"```sql\n(.*?)```", PAGES, re.DOTALL)
LOG_QUERIES = re.findall(r"```logs\n(.*?)```", PAGES, re.DOTALL)
FAILED_FOLDER = (
    "UPDATE mailsync.sync_run_folders SET status = 'failed', error = 'StoreRejected' RETURNING 1"
)
# Of CloudWatch Logs Insights itself, and what Powertools' logger adds to every line.
WORDS = {"and", "as", "bin", "by", "count", "desc", "fields", "filter", "or", "sort", "stats"}
LOGGER = re.compile(r"logger\.|write_audit_record$")
OF_EVERY_LINE = {"correlation_id", "function_name", "level", "message", "timestamp"}


@pytest.fixture
def troubled(database: Database) -> Database:
    """Two mailboxes: Ann's run has failed with a folder of it, Bo's is under way."""
    fill(database)
    ((ann,),) = rows(database, "SELECT id FROM mailsync.email_accounts WHERE user_id = 'ann'")
    rows(database, FAILED_FOLDER)
    RunStore(database).fail_run(
        AccountId(str(ann)), RunId("ann"), "ann", "SettingMissing", "It is so."
    )
    return database


def example(words: str) -> str:
    (found,) = (each for each in EXAMPLES if words in each)
    return str(found)


def test_every_example_runs(troubled: Database) -> None:
    assert len(EXAMPLES) == PAGES.count("```sql")
    for each in EXAMPLES:
        rows(troubled, each)


def test_failed_runs_are_shown_with_their_sentence(troubled: Database) -> None:
    ((error, sentence, count, _),) = rows(troubled, example("error, error_message, count(*), max"))

    assert (error, sentence, count) == ("SettingMissing", "It is so.", 1)


def test_draining_is_watched_by_the_number_of_open_runs(troubled: Database) -> None:
    assert rows(troubled, example("AS queued")) == [[1, 0]]


def test_log_queries_name_events_and_fields_that_the_code_logs() -> None:
    events, fields = logged()

    assert len(LOG_QUERIES) >= 5
    for query in LOG_QUERIES:
        assert set(re.findall(r'message = "(\w+)"', query)) <= events, query
        named = set(re.findall(r"(?<![\d@\w])[a-z_]+", re.sub(r'"[^"]*"', "", query)))
        assert named - WORDS <= fields | OF_EVERY_LINE, query


def test_what_runs_when_names_every_schedule_rule_and_metric() -> None:
    called = {each.function_name for each in catalog.SCHEDULES}
    asked = {each.function_name for each in catalog.EVENT_RULES}

    for name in (
        *called,
        *asked,
        catalog.RUN_CLOSER_FUNCTION_NAME,
        "migrate-database",
        "mailbox-sync",
    ):
        assert f"| `{name}` |" in RUNBOOK
    for metric in METRICS:
        assert f"`{metric.name}`" in RUNBOOK


def logged() -> tuple[set[str], set[str]]:
    """The names of events and the fields beside them, from every call of the logger."""
    events, fields = set(), set()
    for path in (ROOT / "lambdas").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and LOGGER.match(ast.unparse(node.func)):
                events |= {each.value for each in node.args if isinstance(each, ast.Constant)}
                fields |= {each.arg for each in node.keywords if each.arg}
    return {str(each) for each in events}, fields
