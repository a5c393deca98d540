"""Real mail is broken in many ways; all of it is loaded, and what is not is named."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from localdev.mail.generate import generate_mail
from localdev.mail.item import MailItem
from localdev.mail.load import load_mail, parse_mail

NASTY = Path(__file__).parent / "mail"


def nasty(name: str) -> MailItem:
    return parse_mail((NASTY / f"{name}.eml").read_bytes())


def test_encoded_words_may_split_a_character() -> None:
    mail = nasty("split_character")

    assert mail.subject == "日本語"
    assert mail.sender is not None
    assert (mail.sender.name, mail.sender.address) == ("佐藤", "sato@example.jp")
    assert mail.body.strip() == "お疲れ様です"
    assert mail.received_at == datetime(2026, 5, 1, 3, 0, tzinfo=UTC)


def test_raw_bytes_in_headers_are_read_as_what_they_are() -> None:
    mail = nasty("raw_latin_header")

    assert mail.subject == "Reunión mañana"
    assert mail.sender is not None
    assert mail.sender.name == "José"
    assert mail.body.strip() == "Hasta mañana"


def test_unknown_charsets_fall_back_to_utf8_and_dates_to_received() -> None:
    mail = nasty("unknown_charset")

    assert mail.subject == "Grüße"
    assert mail.body.strip() == "Grüße aus Köln"
    assert mail.received_at == mail.sent_at == datetime(2026, 5, 1, 10, 0, tzinfo=UTC)


def test_html_is_preferred_and_attachments_are_no_body() -> None:
    mail = nasty("html_and_text")

    assert (mail.body_type, mail.body.strip()) == ("html", "<p>rich é</p>")
    assert mail.has_attachments


def test_broken_headers_still_make_a_mail() -> None:
    mail = nasty("broken_headers")

    assert mail.subject == ""
    assert mail.received_at.year == 1970


@pytest.mark.parametrize("layout", ["mbox", "maildir", "folder of eml"])
def test_all_layouts_load_every_message(tmp_path: Path, layout: str) -> None:
    files = sorted(NASTY.glob("*.eml"))
    source = tmp_path / "Mail"
    if layout == "mbox":
        source.write_bytes(b"".join(b"From x\n" + one.read_bytes() + b"\n" for one in files))
    else:
        folder = source / ("Work" if layout == "folder of eml" else ".Work/cur")
        folder.mkdir(parents=True)
        for number, one in enumerate(files):
            suffix = ".eml" if layout == "folder of eml" else ":2,S"
            (folder / f"{number}{suffix}").write_bytes(one.read_bytes())

    loaded = load_mail(source)
    items = list(loaded.items)

    assert (len(items), loaded.problems) == (len(files), [])
    assert {item.folder for item in items} == {() if layout == "mbox" else ("Work",)}


def test_what_cannot_be_loaded_is_reported_with_its_cause(tmp_path: Path) -> None:
    (tmp_path / "empty.eml").write_bytes(b"")

    loaded = load_mail(tmp_path)

    assert list(loaded.items) == []
    assert [(each.source, each.cause) for each in loaded.problems] == [
        ("empty.eml", "empty message")
    ]


def test_generated_mail_is_the_same_for_the_same_seed() -> None:
    first, again, other = (
        list(generate_mail(300, owner="ada@example.com", seed=seed)) for seed in (1, 1, 2)
    )

    assert first == again != other


def test_generated_mail_has_a_folder_name_twice_and_many_scripts() -> None:
    items = list(generate_mail(600, owner="ada@example.com"))

    reports = {item.folder for item in items if item.folder[-1:] == ("Reports",)}
    assert len(reports) == 2
    subjects = "".join(item.subject for item in items)
    assert all(letter in subjects for letter in "会تס🎉")
    assert len({item.conversation for item in items}) < len(items)
