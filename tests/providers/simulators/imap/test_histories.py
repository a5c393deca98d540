"""Random histories of another client give the same mailbox on Dovecot and the simulated server, and
the same changes since any point of them."""

import random
from itertools import count

import pytest

from localdev.simulators.imap.options import ImapOptions
from tests.providers.simulators.imap.pair import Pair

pytestmark = pytest.mark.long

STEPS, HISTORIES = 25, 2
FOLDERS = ("INBOX", "Box", "Box/Inner")
FLAGS = ("\\Seen", "\\Flagged", "\\Answered", "\\Draft", "$Work")


class History:
    """Another client, which changes both mailboxes alike at random."""

    def __init__(self, pair: Pair, seed: int) -> None:
        self._pair = pair
        self._random = random.Random(seed)
        self._numbers = count(1)
        self._others = [side.connect() for side in pair.sides]
        self.folders = list(FOLDERS)

    def step(self) -> None:
        folder = self._random.choice(self.folders)
        self._pair.assert_same_answer(f"SELECT <{folder}>", by=self._others)
        present = self._pair.present(self._others)
        action = self._random.choice(
            ("append", "append", "flag", "flag", "move", "expunge", "copy")
        )
        if action == "append" or not present:
            self._append(folder)
        else:
            chosen = self._random.sample(present, self._random.randint(1, len(present)))
            getattr(self, f"_{action}")(",".join(f"{{{each}}}" for each in chosen))
        self._pair.assert_same_answer("UNSELECT", by=self._others)
        if self._random.random() < 0.1:
            self._rename()

    def close(self) -> None:
        for each in self._others:
            each.close()

    def _append(self, folder: str) -> None:
        for _ in range(self._random.randint(1, 3)):
            self._pair.append(f"mail{next(self._numbers)}", folder=folder, flags=self._flags())

    def _flag(self, uids: str) -> None:
        sign = self._random.choice(("", "+", "-"))
        self._pair.assert_same_answer(
            f"UID STORE {uids} {sign}FLAGS.SILENT ({self._flags()})", by=self._others
        )

    def _move(self, uids: str) -> None:
        target = self._random.choice(self.folders)
        self._pair.assert_same_answer(f"UID MOVE {uids} <{target}>", by=self._others)

    def _copy(self, uids: str) -> None:
        target = self._random.choice(self.folders)
        self._pair.assert_same_answer(f"UID COPY {uids} <{target}>", by=self._others)

    def _expunge(self, uids: str) -> None:
        self._pair.assert_same_answer(
            f"UID STORE {uids} +FLAGS.SILENT (\\Deleted)", by=self._others
        )
        self._pair.assert_same_answer("EXPUNGE", by=self._others)

    def _rename(self) -> None:
        old, new = self.folders[-1], f"Box/Renamed{next(self._numbers)}"
        self._pair.assert_same_answer(f"RENAME <{old}> <{new}>", by=self._others)
        self.folders[-1] = new

    def _flags(self) -> str:
        return " ".join(self._random.sample(FLAGS, self._random.randint(0, 2)))


@pytest.mark.parametrize("seed", range(HISTORIES))
def test_a_random_history(pair: Pair, options: ImapOptions, seed: int) -> None:
    for folder in FOLDERS[1:]:
        pair.assert_same_answer(f"CREATE <{folder}>")
    history = History(pair, seed)
    has_changes = options.has_extension("CONDSTORE")
    vanished = " VANISHED" if options.has_extension("QRESYNC") else ""
    if vanished:
        pair.assert_same_answer("ENABLE QRESYNC")
    for number in range(STEPS):
        if has_changes and number == STEPS // 2:
            for place, folder in enumerate(history.folders):
                pair.save_mod_seq(f"m{place}", folder)
        history.step()
    pair.assert_same_answer('LIST "" *')
    for place, folder in enumerate(history.folders):
        pair.assert_same_answer(f"STATUS <{folder}> (MESSAGES UNSEEN)")
        pair.assert_same_answer(f"EXAMINE <{folder}>")
        pair.assert_same_answer(
            "UID FETCH 1:4294967295 (FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])"
        )
        if has_changes:
            pair.assert_same_answer(
                f"UID FETCH 1:4294967295 (FLAGS) (CHANGEDSINCE $m{place}{vanished})"
            )
    history.close()
