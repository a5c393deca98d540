"""Convert between IMAP's flags and the fields of a message in the simulated mailbox."""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from localdev.mail.modified_utf7 import encode_modified_utf7

STORED_FLAGS_ATTRIBUTE_KEY = "imapFlags"
"""Key in `Message.provider_specific_attributes`. Its value is the list of a message's system flags
for which `MailItem` has no field: \\Answered and \\Deleted."""
_FIELD_BY_FLAG = {"\\Seen": "is_read", "\\Flagged": "is_flagged", "\\Draft": "is_draft"}
_IN_ATTRIBUTE = ("\\Answered", "\\Deleted")
SYSTEM_FLAGS = ("\\Answered", "\\Flagged", "\\Deleted", "\\Seen", "\\Draft")
_BY_LOWER_CASE = {flag.lower(): flag for flag in (*SYSTEM_FLAGS, "\\Recent")}


def flags_of_message(
    fields: Mapping[str, Any], categories: Iterable[str], attributes: Mapping[str, Any]
) -> frozenset[str]:
    """Return the IMAP flags of a message.

    fields: values of the message's fields, by the names of the fields of `MailItem`.
    categories: the message's categories; each becomes a keyword.
    attributes: the message's `Message.provider_specific_attributes`.
    """
    flags = {flag for flag, field in _FIELD_BY_FLAG.items() if fields[field]}
    more = attributes.get(STORED_FLAGS_ATTRIBUTE_KEY)
    flags.update(each for each in _IN_ATTRIBUTE if isinstance(more, list) and each in more)
    return frozenset(flags | {keyword_of_category(each) for each in categories})


def canonical_flag(flag: str) -> str:
    """Return a system flag in the case of the standard, such as `\\Seen` for `\\SEEN`. Return any
    other flag unchanged."""
    return _BY_LOWER_CASE.get(flag.lower(), flag)


def keyword_of_category(category: str) -> str:
    """Return the IMAP keyword (a flag that users define) of a category. A keyword has no blanks:
    `Red category` becomes `Red_category`."""
    word = re.sub(r'[\x00-\x20\x7f(){%*"\\\]]', "_", encode_modified_utf7(category))
    return word or "_"


def flags_to_mail_fields_and_attributes(
    wanted: frozenset[str], categories: Iterable[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Convert IMAP flags to stored values. Return two mappings: values of fields of `MailItem`, and
    values for `Message.provider_specific_attributes`.

    wanted: all flags that the message shall have.
    categories: the message's present categories. A category whose keyword is among `wanted` keeps
        its spelling.
    """
    fields: dict[str, Any] = {field: flag in wanted for flag, field in _FIELD_BY_FLAG.items()}
    keywords = {each for each in wanted if not each.startswith("\\")}
    kept = [each for each in categories if keyword_of_category(each) in keywords]
    added = sorted(keywords - {keyword_of_category(each) for each in kept})
    fields["categories"] = (*kept, *added)
    return fields, {STORED_FLAGS_ATTRIBUTE_KEY: [each for each in _IN_ATTRIBUTE if each in wanted]}


@lru_cache(maxsize=1024)
def format_flags(flags: frozenset[str]) -> bytes:
    """Return the flags in parentheses, system flags first."""
    rank = {flag: number for number, flag in enumerate(SYSTEM_FLAGS)}
    ordered = sorted(flags, key=lambda flag: (rank.get(flag, len(rank)), flag))
    return f"({' '.join(ordered)})".encode("ascii", "replace")
