"""What the standard library writes as a message is read as it was meant."""

from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP

from hypothesis import given, settings
from hypothesis import strategies as st

from mailsync.mime import parse_message

LETTERS = st.characters(
    codec="utf-8", categories=("L", "N", "P", "S"), exclude_characters="\u2028\u2029\ufffd"
)
WORDS = st.lists(st.text(LETTERS, min_size=1, max_size=12), min_size=1, max_size=12).map(" ".join)
LINES = st.lists(WORDS, min_size=1, max_size=5).map("\n".join).map(lambda text: text + "\n")
# Some releases of CPython lose blanks where they fold a header (python/cpython #144156).
UNFOLDED = SMTP.clone(max_line_length=10_000)
ENCODINGS = st.sampled_from(["base64", "quoted-printable", "8bit"])


@settings(deadline=None, derandomize=True, max_examples=50)
@given(
    st.tuples(WORDS, WORDS, LINES, LINES), st.tuples(ENCODINGS, ENCODINGS), st.binary(max_size=200)
)
def test_a_message_is_read_as_it_was_written(
    texts: tuple[str, str, str, str], encodings: tuple[str, str], content: bytes
) -> None:
    subject, name, text, html = texts
    message = EmailMessage(policy=UNFOLDED)
    message["Subject"] = subject
    message["From"] = Address(name, "ada", "example.org")
    message["To"] = [Address(name, f"to{each}", "example.org") for each in range(3)]
    message.set_content(text, cte=encodings[0])
    message.add_alternative(html, subtype="html", cte=encodings[1])
    message.add_attachment(content, maintype="application", subtype="pdf", filename=name)

    found = parse_message(message.as_bytes())

    assert (found.subject, found.body_text, found.body_html) == (subject, text, html)
    assert [each.name for each in (found.from_or_sender_address, *found.to) if each] == [name] * 4
    assert [(each.file_name, each.decode_content()) for each in found.attachments] == [
        (name, content)
    ]
    assert found.parsing_problem_descriptions == ()
