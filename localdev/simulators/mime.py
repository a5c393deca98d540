"""The RFC 5322 form of a message that came without one."""

from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any

from localdev.simulators.mailbox import StoredMessage


def compose_mime(message: StoredMessage) -> bytes:
    properties = message.properties
    mail = EmailMessage()
    mail["Subject"] = " ".join(properties["subject"].split())
    mail["Date"] = format_datetime(datetime.fromisoformat(properties["sentDateTime"]))
    if properties.get("from"):
        mail["From"] = _address(properties["from"])
    for header, name in (("To", "toRecipients"), ("Cc", "ccRecipients")):
        if properties[name]:
            mail[header] = [_address(each) for each in properties[name]]
    if properties["internetMessageId"]:
        mail["Message-ID"] = properties["internetMessageId"]
    mail.set_content(message.body, subtype="html" if message.body_type == "html" else "plain")
    return mail.as_bytes()


def _address(recipient: dict[str, Any]) -> Address:
    address = recipient["emailAddress"]
    return Address(display_name=address["name"], addr_spec=address["address"])
