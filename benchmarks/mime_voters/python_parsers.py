"""Print what a parser reads of each message file in a folder, one JSON object per line.

`python python_parsers.py NAME FOLDER`, NAME being `stdlib` or `fast`. It runs in an environment of
its own and imports nothing of this project.
"""

import hashlib
import json
import sys
from collections.abc import Callable
from datetime import UTC
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

Record = dict[str, Any]


def main() -> None:
    read: Callable[[bytes], Record] = {"stdlib": read_stdlib, "fast": read_fast}[sys.argv[1]]
    for path in sorted(Path(sys.argv[2]).iterdir()):
        try:
            record = read(path.read_bytes())
        except Exception as failure:
            record = {"error": f"{type(failure).__name__}: {failure}"}
        print(json.dumps({"file": path.name, **record}))


def read_stdlib(raw: bytes) -> Record:
    message = message_from_bytes(raw, policy=policy.default)
    assert isinstance(message, EmailMessage)
    texts: dict[str, list[str]] = {"text/plain": [], "text/html": []}
    attachments = []
    for part in _leaves(message):
        if part.get_content_type() in texts and not part.is_attachment():
            texts[part.get_content_type()].append(part.get_content())
        else:
            attachments.append(_described(part.get_filename(), _content(part)))
    date = message["date"]
    return {
        "subject": str(message["subject"] or ""),
        "people": [_people(message.get_all(name, [])) for name in ("from", "to", "cc")],
        "date": _seconds(date.datetime if date else None),
        "text": "\n".join(texts["text/plain"]),
        "html": "\n".join(texts["text/html"]),
        "attachments": attachments,
    }


def _leaves(part: Any) -> list[Any]:
    if part.get_content_maintype() != "multipart":
        return [part]
    return [leaf for child in part.iter_parts() for leaf in _leaves(child)]


def _content(part: Any) -> bytes:
    content = part.get_content()
    if isinstance(content, EmailMessage):
        return content.as_bytes()
    return content if isinstance(content, bytes) else part.get_payload(decode=True)


def _people(fields: list[Any]) -> list[list[str]]:
    return [[each.display_name, each.addr_spec] for field in fields for each in field.addresses]


def read_fast(raw: bytes) -> Record:
    from fast_mail_parser import parse_email  # type: ignore[import-not-found]

    mail = parse_email(raw)
    people = ([mail.from_] if mail.from_ else [], mail.to, mail.cc)
    return {
        "subject": mail.subject,
        "people": [[[each.display_name or "", each.address] for each in group] for group in people],
        "date": _seconds(mail.date_parsed),
        "text": "\n".join(mail.text_plain),
        "html": "\n".join(mail.text_html),
        "attachments": [_described(each.filename, each.content) for each in mail.attachments],
    }


def _described(name: str | None, content: bytes) -> list[Any]:
    return [name or "", len(content), hashlib.sha256(content).hexdigest()]


def _seconds(moment: Any) -> float | None:
    if moment is None:
        return None
    return float((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


if __name__ == "__main__":
    main()
