"""The user's own mail on its way into the simulators: counted, and what is wrong with it named."""

import gzip
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from localdev.engine.failure import StartFailed
from localdev.engine.simulator_process import SimulatorProcess
from localdev.mail.load import load_mail_lazily
from localdev.mail.report import MAX_EXAMPLE_PROBLEMS, MailLoadingReport
from localdev.stack import REPOSITORY_ROOT

GOOD = b"From: a@example.com\nSubject: good\nDate: Fri, 1 May 2026 12:00:00 +0000\n\ntext\n"
ODD = GOOD.replace(b"good", b"\xe9")


@contextmanager
def running(tmp_path: Path, mail: Path) -> Iterator[SimulatorProcess]:
    arguments = ["--data", str(tmp_path / "data"), "--mbox", str(mail)]
    process = SimulatorProcess(arguments, root=REPOSITORY_ROOT, log=tmp_path / "simulators.log")
    try:
        process.wait_until_ready()
        yield process
    finally:
        process.stop()


def test_what_is_odd_and_what_is_left_out_is_named(tmp_path: Path) -> None:
    mail, log = tmp_path / "mail", tmp_path / "simulators.log"
    mail.mkdir()
    (mail / "good.eml").write_bytes(GOOD)
    (mail / "notes\n.txt").write_bytes(b"notes")
    odd = [f"odd {number}.eml" for number in range(MAX_EXAMPLE_PROBLEMS + 2)]
    for name in odd:
        (mail / name).write_bytes(ODD)
    with running(tmp_path, mail) as process:
        report = process.user_mail_loading_report

    assert report is not None
    assert list(report.terminal_lines(mail, log)) == [
        f"Loaded {len(odd) + 1} messages of {mail} into the simulated mailbox.",
        "  not loaded: notes?.txt: its name does not end with .eml",
        *(
            f"  loaded and odd: {name}: has bytes above 127 in Subject (Windows-1252)"
            for name in odd[:MAX_EXAMPLE_PROBLEMS]
        ),
        f"  loaded and odd: 2 more, named in {log}",
    ]
    assert all(name in log.read_text() for name in odd)


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b"", "mail: empty message"),
        (b"A text.\n", 'mail: it has no line that begins with "From ", and no header'),
        (bytes(range(256)) * 99, 'mail: it has no line that begins with "From ", and no header'),
        (gzip.compress(GOOD), "mail: it is compressed (gzip): unpack it first"),
        (None, "it is an empty folder"),
    ],
    ids=["empty file", "text", "random bytes", "gzip", "empty folder"],
)
def test_a_source_without_mail_is_said_in_one_sentence(
    tmp_path: Path, content: bytes | None, cause: str
) -> None:
    mail = tmp_path / "mail"
    if content is None:
        mail.mkdir()
    else:
        mail.write_bytes(content)
    loaded = load_mail_lazily(mail)

    assert list(loaded.items) == []
    sentence = MailLoadingReport.from_loaded_count_and_problems(
        0, loaded.problems_of_skipped_mail, loaded.problems_of_loaded_mail
    ).build_no_messages_found_sentence(mail)
    assert sentence.startswith(f"0 messages found in {mail} ({cause}")
    assert "\n" not in sentence


def test_a_folder_without_mail_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "mail").mkdir()

    with pytest.raises(StartFailed, match="0 messages found"), running(tmp_path, tmp_path / "mail"):
        pass


def test_a_demo_of_a_file_without_mail_ends_with_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    options = ("--data", tmp_path / "data", "--mbox", tmp_path / "empty")

    ran = subprocess.run(
        [sys.executable, "-m", "localdev", "demo", *options],
        capture_output=True,
        text=True,
        check=False,
    )

    assert ran.returncode == 1
    assert ran.stderr.startswith(f"0 messages found in {tmp_path / 'empty'} (")
    assert ran.stderr.count("\n") == 1


def test_one_message_is_loaded_from_its_file(tmp_path: Path) -> None:
    (tmp_path / "one.eml").write_bytes(GOOD)

    with running(tmp_path, tmp_path / "one.eml") as process:
        assert process.user_mail_loading_report
        assert process.user_mail_loading_report.loaded_count == 1
