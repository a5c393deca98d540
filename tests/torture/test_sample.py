"""A share of the torture in every test run; `make torture` has all of it."""

from collections import Counter
from collections.abc import Iterator
from itertools import cycle

import pytest

from localdev.engine.postgres import Postgres
from localdev.mail.generate import generate_mail_items
from tests.support.toy_provider import KINDS
from tests.torture.crash_points import DEATHS, CrashPoints
from tests.torture.first_syncs import FirstSyncs
from tests.torture.gmail_changes import GMAIL_OWNER_KINDS
from tests.torture.gmail_lies import GmailLie
from tests.torture.histories import Stages, falsified, stages
from tests.torture.imap_lies import ImapLie
from tests.torture.lies import Lie
from tests.torture.play import Play
from tests.torture.plots import History, Mishap, Round, imap_histories, toy_histories
from tests.torture.random_changes import GMAIL_CHANGES, LABEL_KINDS, Change
from tests.torture.scenarios import SCENARIOS
from tests.torture.stage import FEW, Stage
from tests.torture.world import CHANGES_BY_IMAP_KIND, GMAIL, GMAIL_API, IMAP_KINDS, World

POINTS = 2
HISTORIES = 4
FIRST_SYNCS = 2
SEED = 20_26
FITS_NOTHING_HERE = ("restore", "send draft")
ORPHANS = """
SELECT count(*) FROM mailsync.emails m
 WHERE (m.removed_at IS NULL) <> EXISTS (SELECT 1 FROM mailsync.email_placements p
                                          WHERE p.email_id = m.id)"""


@pytest.fixture(scope="module")
def world(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with World(postgres, tmp_path_factory.mktemp("simulators")) as world:
        yield world


@pytest.fixture(scope="module")
def mailboxes(world: World) -> Iterator[Stages]:
    with stages(world) as mailboxes:
        yield mailboxes


@pytest.mark.parametrize("kind", sorted({*LABEL_KINDS, *GMAIL_CHANGES, *GMAIL_OWNER_KINDS}))
def test_each_change_of_a_mailbox_can_be_made(world: World, kind: str) -> None:
    """Many are made by long histories only."""
    mailbox = world.simulators.find_or_create_mailbox(
        f"{kind.replace(' ', '-')}@example.com", "Ada"
    )
    mailbox.import_mail_items(generate_mail_items(12, owner=mailbox.address))
    for first in ("create folder", "gmail create label", "gmail write a draft", "gmail trash"):
        Change(first).apply(mailbox)
    Change("label", 0, 5).apply(mailbox)
    before = mailbox.journal.newest_global_change_number

    for number in range(16):
        Change(kind, number, number).apply(mailbox)

    assert mailbox.journal.newest_global_change_number > before or kind in FITS_NOTHING_HERE


@pytest.mark.parametrize(("scenario", "dies"), [*zip(SCENARIOS, cycle(DEATHS), strict=False)])
def test_a_sync_that_is_killed_loses_nothing_and_leaves_nothing_twice(
    world: World, scenario: str, dies: str
) -> None:
    with CrashPoints(world, scenario, dies) as points:
        states = points.distinct
        trials = list(points.trials(states[3 :: len(states) // POINTS]))

    assert len(states) < points.moments / 2
    assert len(trials) >= POINTS
    assert {str(trial): trial.wrong for trial in trials if trial.wrong} == {}


@pytest.mark.long
def test_in_any_history_of_changes_and_wrong_answers_the_law_holds(mailboxes: Stages) -> None:
    events = Counter[str]()

    assert falsified(mailboxes, number=HISTORIES, seed_number=SEED, events=events) is None
    assert events["wrong answers"] > 0


@pytest.mark.parametrize("toy", KINDS)
def test_the_law_holds_for_a_provider_whose_folders_are_labels(world: World, toy: str) -> None:
    events = Counter[str]()

    with Stage(world, FEW, kind=toy) as stage:
        found = falsified(
            {False: stage},
            plots=toy_histories(toy),
            number=HISTORIES,
            seed_number=SEED,
            events=events,
        )

    assert found is None
    assert events["runs completed"] > 0


@pytest.mark.parametrize("kind", IMAP_KINDS)
def test_the_law_holds_for_an_imap_server(world: World, kind: str) -> None:
    events = Counter[str]()

    with Stage(world, FEW, kind=kind) as stage:
        found = falsified(
            {False: stage},
            plots=imap_histories(CHANGES_BY_IMAP_KIND[kind]),
            number=HISTORIES // 2,
            seed_number=SEED,
            events=events,
        )

    assert found is None
    assert events["runs completed"] > 0


@pytest.mark.parametrize(
    ("kind", "scenario", "dies"),
    [
        ("imap qresync", "incremental", "function"),
        ("imap qresync", "renumbered", "execution"),
        (GMAIL, "incremental", "execution"),
        (GMAIL, "renumbered", "function"),
    ],
)
def test_a_sync_of_an_imap_mailbox_that_is_killed_loses_nothing(
    world: World, kind: str, scenario: str, dies: str
) -> None:
    with CrashPoints(world, scenario, dies, kind) as points:
        states = points.distinct
        trials = list(points.trials(states[3 :: len(states) // POINTS]))

    assert len(trials) >= POINTS
    assert {str(trial): trial.wrong for trial in trials if trial.wrong} == {}


@pytest.mark.parametrize("fatal", [None, 20, 60])
def test_feeds_that_each_end_one_placement_of_a_message_at_once_leave_it_hidden(
    world: World, fatal: int | None
) -> None:
    """Each of two functions sees what the other one has done, or is killed; never an orphan."""
    labelled = tuple(Change("label", what, 7) for what in range(6))
    unlabelled = tuple(Change("unlabel everywhere") for _ in labelled)
    at_once = Round(before=unlabelled, page=1, dies="function", at_once=True, fatal=fatal)
    history = History(rounds=(Round(before=labelled), at_once), is_synced=True)
    events = Counter[str]()

    with Stage(world, FEW, kind="folders") as stage:
        Play(stage, history, events).run()
        [[orphans]] = stage.tables.run(ORPHANS)

    assert orphans == 0
    assert events["rows deleted"] >= len(unlabelled)


def test_first_syncs_complete_under_faults(world: World) -> None:
    with FirstSyncs(world, messages=30) as syncs:
        trials = list(syncs.under_faults(FIRST_SYNCS, seed=SEED))

        assert {str(trial): trial.wrong for trial in trials if trial.wrong} == {}
        assert sum(trial.faults for trial in trials) > 0


ONCE_FOUND = {
    # Away, changed there, back and read: only the read state was told, and taken for all.
    "changed on a journey": (
        Round(),
        Round(before=(Change("changed there", 3, 3), Change("read", 3), Change("unread", 3))),
    ),
    # The same while the folder in between was not walked yet.
    "changed on a journey before the first walk": (
        Round(
            before=(Change("restore", 15, 30),),
            meanwhile={40: Change("changed there", 22, 8), 57: Change("unread", 4, 17)},
            mishaps=(Mishap("same link", 17, 40), Mishap("504", 1, 3)),
            oddity="read states come whole",
            page=1,
            dies="function",
        ),
        Round(
            before=(Change("read", 20, 25), Change("unread", 23, 19)),
            mishaps=(Mishap("empty page", 25, 3),),
            oddity="purged mail cannot be read",
            page=3,
            folder_order=8,
        ),
    ),
    # One went and one came while a walk was interrupted: the walk tells the mailbox of its
    # beginning, in which the counts agree.
    "as many as before": (
        Round(page=1, fatal=288),
        Round(before=(Change("renew id", 0),), dies="check"),
    ),
    # Listed where it had moved to, and by its id still where it was: it was missing in a folder
    # that was verified.
    "as it was": (
        Round(lies=(Lie("every message was removed", about=0),)),
        Round(),
        Round(before=(Change("move", 0, 4),), lies=(Lie("a message is as it was"),)),
    ),
}


@pytest.mark.parametrize("found", ONCE_FOUND)
def test_what_histories_once_found_stays_mended(mailboxes: Stages, found: str) -> None:
    history = History(rounds=ONCE_FOUND[found], is_synced=False)

    events: Counter[str] = Counter()

    Play(mailboxes[history.is_large], history, events).run()  # asserts the law after each sync

    assert events["runs completed"] >= 1


ONCE_FOUND_OVER_IMAP = {
    # Copied, and moved there and back: after a death between the two, the copy had the new key of
    # the original, which took it for its own.
    "a copy beside a move": (
        Round(),
        Round(before=(Change("copy", 25), Change("there and back", 10)), fatal=172),
    ),
    # A folder was verified by the counts of the last sync.
    "a status without counts": (
        Round(before=(Change("delete folder", 15, 27),)),
        Round(
            before=(
                Change("categorize", 8, 2),
                Change("delete folder", 12, 16),
                Change("restore", 3, 27),
                Change("delete", 6, 13),
            ),
            lies=(
                ImapLie("list FETCH: UIDs only", nth=3, syncs=2),
                ImapLie("STATUS: UIDs only"),
                ImapLie("SEARCH: everything twice", about=17),
            ),
        ),
    ),
}


@pytest.mark.parametrize("found", ONCE_FOUND_OVER_IMAP)
def test_what_histories_over_imap_once_found_stays_mended(world: World, found: str) -> None:
    history = History(rounds=ONCE_FOUND_OVER_IMAP[found])
    events: Counter[str] = Counter()

    with Stage(world, FEW, kind="imap qresync") as stage:
        Play(stage, history, events).run()

    assert events["runs completed"] >= 1


ONCE_FOUND_AT_GMAIL = {
    # The difference to the counts of the last sync was stored as an error of Gmail's counts.
    "labels without counts": (
        Round(before=(Change("gmail spam", 0),), lies=(GmailLie("label: no counts"),)),
    )
}


@pytest.mark.parametrize("found", ONCE_FOUND_AT_GMAIL)
def test_what_histories_of_gmail_once_found_stays_mended(world: World, found: str) -> None:
    history = History(rounds=ONCE_FOUND_AT_GMAIL[found])
    events: Counter[str] = Counter()

    with Stage(world, FEW, kind=GMAIL_API) as stage:
        Play(stage, history, events).run()

    assert events["runs completed"] >= 1
