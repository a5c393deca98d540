"""The user's own mail on its way into the simulators: counted, and what is wrong with it named."""

from pathlib import Path

import pytest

from localdev.engine.failure import StartFailed
from localdev.engine.simulator_process import SimulatorProcess
from localdev.mail.report import MAX_EXAMPLES
from localdev.stack import ROOT

GOOD = b"From: a@example.com\nSubject: good\nDate: Fri, 1 May 2026 12:00:00 +0000\n\ntext\n"
ODD = GOOD.replace(b"good", b"\xe9")


def process_with(tmp_path: Path, mail: Path) -> SimulatorProcess:
    arguments = ["--data", str(tmp_path / "data"), "--mbox", str(mail)]
    return SimulatorProcess(arguments, root=ROOT, log=tmp_path / "simulators.log")


def test_what_is_odd_and_what_is_left_out_is_named(tmp_path: Path) -> None:
    mail, log = tmp_path / "mail", tmp_path / "simulators.log"
    mail.mkdir()
    (mail / "good.eml").write_bytes(GOOD)
    (mail / "notes\n.txt").write_bytes(b"notes")
    odd = [f"odd {number}.eml" for number in range(MAX_EXAMPLES + 2)]
    for name in odd:
        (mail / name).write_bytes(ODD)
    process = process_with(tmp_path, mail)
    try:
        process.wait_until_ready()
    finally:
        process.stop()

    assert process.mail is not None
    assert list(process.mail.lines(mail, log)) == [
        f"Loaded {len(odd) + 1} messages of {mail} into the simulated mailbox.",
        "  not loaded: notes?.txt: its name does not end with .eml",
        *(
            f"  loaded and odd: {name}: has bytes above 127 in Subject (Windows-1252)"
            for name in odd[:MAX_EXAMPLES]
        ),
        f"  loaded and odd: 2 more, named in {log}",
    ]
    assert all(name in log.read_text() for name in odd)


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b"", "mail: empty message"),
        (b"A text.\n", 'mail: it has no line that begins with "From ", and no header'),
        (None, "it is an empty folder"),
    ],
    ids=["empty file", "text", "empty folder"],
)
def test_a_source_without_mail_is_said_in_one_sentence(
    tmp_path: Path, content: bytes | None, cause: str
) -> None:
    mail = tmp_path / "mail"
    if content is None:
        mail.mkdir()
    else:
        mail.write_bytes(content)
    process = process_with(tmp_path, mail)
    try:
        with pytest.raises(StartFailed) as failed:
            process.wait_until_ready()
    finally:
        process.stop()

    assert str(failed.value).startswith(f"0 messages found in {mail} ({cause}")
    assert "\n" not in str(failed.value)
