"""What connects a message with its conversation."""

import pytest

from mailsync.mime import make_thread_keys, parse_message
from mailsync.mime.threads import MAX_THREAD_KEYS_PER_MESSAGE, make_thread_key


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (b"Message-ID: <a@x>", ("<a@x>",)),
        (
            b"Message-ID: <b@x>\nReferences: <r@x> <a@x>\nIn-Reply-To: <z@x>",
            ("<b@x>", "<r@x>", "<a@x>"),
        ),
        (b"Message-ID: <b@x>\nIn-Reply-To: <z@x> <y@x>", ("<b@x>", "<z@x>")),
        (b"Message-ID: <b@x>\nReferences: <nothing>\nIn-Reply-To: <z@x>", ("<b@x>", "<z@x>")),
        (b"Message-ID: <b@x@y>\nReferences: <b@x@y> <b@x@y>", ("<b@x@y>",)),
        (b"Message-ID: <@>\nReferences: <@x> <y@>", ()),
        (b"Message-ID: <same for all>\nReferences: <unknown>", ()),
        (b"Subject: Re: the subject connects nothing", ()),
    ],
)  # fmt: skip
def test_own_id_and_references_else_the_first_in_reply_to(
    header: bytes, expected: tuple[str, ...]
) -> None:
    keys = tuple(map(make_thread_key, expected))
    assert make_thread_keys(parse_message(header + b"\n\n")) == keys


def test_keys_are_bounded_in_number_and_length() -> None:
    many = b" ".join(b"<%d@x>" % each for each in range(500))
    long = b"<" + b"a" * 15_000 + b"@x>"
    header = b"Message-ID: " + long + b"\nReferences: " + many + b"\n\n"

    keys = make_thread_keys(parse_message(header))

    assert len(keys) == MAX_THREAD_KEYS_PER_MESSAGE
    assert {make_thread_key("<0@x>"), make_thread_key("<499@x>")} < set(keys)
    assert keys[0] in make_thread_keys(parse_message(b"In-Reply-To: " + long + b"\n\n"))
    assert {len(each) for each in keys} == {36}
