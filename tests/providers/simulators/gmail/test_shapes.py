"""Formats of a message, attachments, threads and batches of the simulated Gmail."""

from base64 import urlsafe_b64decode
from email.message import EmailMessage
from functools import cache
from typing import Any

import pytest

from localdev.simulators.faults import Fault, FaultRule
from tests.providers.simulators.gmail.client import GmailClient, JsonObject
from tests.providers.simulators.gmail.google_client import fetch_batched, google_client
from tests.support.mail import a_mail

PDF = bytes(range(256)) * 3 + b"x"


@cache
def mail() -> bytes:
    """A mail with two texts of one alternative in latin-1, and an attachment."""
    message = EmailMessage()
    message["From"], message["To"] = "Zoë <zoe@example.com>", "ada@gmail.com"
    message["Subject"], message["Message-ID"] = "Grüße", "<1@example.com>"
    message.set_content("Grüße\n", charset="iso-8859-1")
    message.add_alternative("<p>Grüße</p>\n", subtype="html", charset="iso-8859-1")
    message.add_attachment(PDF, maintype="application", subtype="pdf", filename="Größe.pdf")
    return message.as_bytes().replace(b"\n", b"\r\n")


def deliver(gmail: GmailClient, raw: bytes, subject: str = "Grüße", **fields: Any) -> str:
    return gmail.owner.deliver_message(a_mail(subject, original=raw, **fields))


def parts_of(item: JsonObject) -> dict[str, JsonObject]:
    parts = {item["partId"]: item}
    for each in item.get("parts", ()):
        parts |= parts_of(each)
    return parts


def test_full_has_the_tree_of_parts_with_texts_in_utf_8(gmail: GmailClient) -> None:
    message = deliver(gmail, mail())

    payload = gmail.get(f"messages/{message}")["payload"]

    parts = parts_of(payload)
    assert {each: part["mimeType"] for each, part in parts.items()} == {
        "": "multipart/mixed",
        "0": "multipart/alternative",
        "0.0": "text/plain",
        "0.1": "text/html",
        "1": "application/pdf",
    }
    assert {"name": "Subject", "value": "Grüße"} in payload["headers"]
    text = parts["0.0"]
    assert urlsafe_b64decode(text["body"]["data"]).decode() == "Grüße\r\n"
    assert text["body"]["size"] == len("Grüße\r\n".encode("iso-8859-1"))
    assert text["filename"] == ""
    assert parts["1"]["filename"] == "Größe.pdf"
    assert "data" not in parts["1"]["body"]
    assert parts["1"]["body"]["size"] == len(PDF)


def test_the_other_formats_have_what_google_says(gmail: GmailClient) -> None:
    message = deliver(gmail, mail())

    raw = gmail.get(f"messages/{message}", format="raw")
    metadata = gmail.get(f"messages/{message}", format="metadata", metadataHeaders="subject")
    minimal = gmail.get(f"messages/{message}", format="minimal")

    assert len(raw["raw"]) % 4 == 0
    assert urlsafe_b64decode(raw["raw"]) == mail()
    assert raw["sizeEstimate"] == len(mail())
    assert metadata["payload"]["headers"] == [{"name": "Subject", "value": "Grüße"}]
    assert {*metadata["payload"]} == {"mimeType", "headers"}
    assert not {"payload", "raw"} & {*minimal}
    same = ("id", "threadId", "labelIds", "internalDate", "historyId", "snippet")
    assert {each: raw[each] for each in same} == {each: minimal[each] for each in same}
    assert gmail.error(f"messages/{message}", format="other")[0] == 400


def test_an_attachment_has_a_new_id_at_each_reading_and_the_old_one_is_refused(
    gmail: GmailClient,
) -> None:
    message = deliver(gmail, mail())
    path = f"messages/{message}"

    older, newer = (
        gmail.get(path)["payload"]["parts"][1]["body"]["attachmentId"] for _ in range(2)
    )
    gmail.get(path, format="minimal")
    found = gmail.get(f"{path}/attachments/{newer}")

    assert older != newer
    assert found["size"] == len(PDF)
    assert "=" not in found["data"]
    assert urlsafe_b64decode(found["data"] + "=" * (-len(found["data"]) % 4)) == PDF
    assert gmail.error(f"{path}/attachments/{older}")[:2] == (400, "invalidArgument")


def test_only_the_full_format_has_the_text_of_a_chat(gmail: GmailClient) -> None:
    for cut in (b"", b"MIME-Version: 1.0\r\nContent-Type: text/pl"):
        chat = gmail.owner.store_chat_message("Hi thère.", raw=cut)

        raw = gmail.get(f"messages/{chat}", format="raw")
        payload = gmail.get(f"messages/{chat}", format="full")["payload"]

        assert (raw["labelIds"], urlsafe_b64decode(raw["raw"])) == (["CHAT"], cut)
        assert urlsafe_b64decode(payload["body"]["data"]).decode() == "Hi thère."
        assert payload["headers"] == []


def test_a_long_text_is_an_attachment(gmail: GmailClient) -> None:
    gmail.server.set_behaviour_switches(max_inline_text_bytes=8)
    message = deliver(gmail, mail())

    parts = parts_of(gmail.get(f"messages/{message}")["payload"])

    assert "data" in parts["0.0"]["body"]
    assert "data" not in parts["0.1"]["body"]
    attachment = parts["0.1"]["body"]["attachmentId"]
    found = gmail.get(f"messages/{message}/attachments/{attachment}")
    assert urlsafe_b64decode(found["data"] + "==") == "<p>Grüße</p>\r\n".encode("iso-8859-1")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xff\xfe\x00",
        b"Subject: \xe9\r\n\r\n\xe9",
        b"Content-Type: multipart/mixed\r\n\r\nno boundary",
        b"Content-Type: text/plain; charset=nonsense\r\n\r\n\xe9",
        b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n)
                 for n in range(2_000)),
    ],
)  # fmt: skip
def test_every_mail_has_a_payload(gmail: GmailClient, raw: bytes) -> None:
    message = deliver(gmail, raw, "damaged")

    assert gmail.get(f"messages/{message}")["payload"]["partId"] == ""


def test_threads_have_all_their_messages_oldest_first(gmail: GmailClient) -> None:
    first, last = (deliver(gmail, mail(), minutes=each) for each in (0, 2))
    alone = deliver(gmail, mail(), "another", minutes=1)
    gmail.owner.trash_message(first)

    pages = list(gmail.pages("threads", maxResults=1))

    listed = [each["id"] for page in pages for each in page["threads"]]
    threads = [gmail.get(f"threads/{each}", format="full") for each in listed]
    assert [len(each["threads"]) for each in pages] == [1, 1]
    assert [[m["id"] for m in each["messages"]] for each in threads] == [[first, last], [alone]]
    for thread in threads:
        newest = max(int(each["historyId"]) for each in thread["messages"])
        assert int(thread["historyId"]) == newest
        assert all("payload" in each for each in thread["messages"])
    assert gmail.error(f"threads/{listed[0]}", format="raw")[0] == 400
    assert gmail.error("threads/1000000000000000")[0] == 404


def test_each_request_of_a_batch_has_a_status_and_costs_of_its_own(gmail: GmailClient) -> None:
    ids = [deliver(gmail, mail(), f"mail {each}") for each in range(4)]
    rule = FaultRule(fault=Fault(status=429), in_batch=True, times=1)
    gmail.server.service.faults.add_rules(rule)
    gmail.server.set_behaviour_switches(is_batch_reversed=True)
    with google_client(gmail) as google:
        messages = google.users().messages()
        requests = {each: messages.get(userId="me", id=each) for each in [*ids, "1900000000ffffff"]}
        found = fetch_batched(google, requests)

    statuses = sorted(getattr(each, "status_code", 200) for each in found.values())
    assert statuses in ([200, 200, 200, 200, 429], [200, 200, 200, 404, 429])
    assert all(found[each]["id"] == each for each in ids if isinstance(found[each], dict))
    assert gmail.server.quota.count_charged_units_since_reset(gmail.mailbox.user_id) == 20 * 5


def test_a_batch_of_more_than_a_hundred_is_refused(gmail: GmailClient) -> None:
    part = "--x\r\nContent-Type: application/http\r\n\r\nGET /gmail/v1/users/me/profile\r\n\r\n"

    statuses = []
    for count in (0, 1, 101):
        response = gmail.send(
            str(gmail.http.base_url.join("/batch/gmail/v1")),
            "POST",
            headers={"Content-Type": "multipart/mixed; boundary=x"},
            content=part * count + "--x--\r\n",
        )
        statuses.append((response.status_code, b"historyId" in response.content))

    assert statuses == [(400, False), (200, True), (400, False)]
