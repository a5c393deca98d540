"""Describe IMAP commands and responses in fixed words, and list the words that a record may
contain.

Sources of the words: RFC 9051, RFC 3501, RFC 5530, RFC 7162, RFC 8474; the IANA registry "IMAP
    Capabilities"; Gmail IMAP Extensions.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from localdev.live.record import RecordableNamesAndWords, parse_allowed_word_lines
from mailsync.providers.imap.responses import ImaplibUntaggedResponse, parse_fetch

_CAPABILITIES = (
    "IMAP4 IMAP4REV1 IMAP4REV2 ACL ANNOTATE-EXPERIMENT-1 APPENDLIMIT AUTH=CRAM-MD5 AUTH=GSSAPI"
    " AUTH=LOGIN AUTH=NTLM AUTH=OAUTHBEARER AUTH=PLAIN AUTH=SCRAM-SHA-1 AUTH=SCRAM-SHA-256"
    " AUTH=XOAUTH2 BINARY CATENATE CHILDREN COMPRESS=DEFLATE CONDSTORE CONTEXT=SEARCH"
    " CONTEXT=SORT CONVERT CREATE-SPECIAL-USE ENABLE ESEARCH ESORT FILTERS I18NLEVEL=1 ID IDLE"
    " INPROGRESS LANGUAGE LIST-EXTENDED LIST-METADATA LIST-MYRIGHTS LIST-STATUS LITERAL+ LITERAL-"
    " LOGIN-REFERRALS LOGINDISABLED MAILBOX-REFERRALS METADATA METADATA-SERVER MOVE"
    " MULTIAPPEND MULTISEARCH NAMESPACE NOTIFY OBJECTID PARTIAL PREVIEW PREVIEW=FUZZY QRESYNC"
    " QUOTA REPLACE RIGHTS= SASL-IR SAVEDATE SEARCH=FUZZY SEARCHRES SNIPPET=FUZZY SORT"
    " SORT=DISPLAY SPECIAL-USE STARTTLS STATUS=SIZE THREAD THREAD=ORDEREDSUBJECT"
    " THREAD=REFERENCES THREAD=REFS UIDBATCHES UIDONLY UIDPLUS UNAUTHENTICATE UNSELECT"
    " URL-PARTIAL URLAUTH UTF8=ACCEPT UTF8=ONLY WITHIN X-GM-EXT-1 XAPPLEPUSHSERVICE XLIST XMOVE"
    " XYMHIGHESTMODSEQ"
)
_CODES = (
    "ALERT ALREADYEXISTS APPENDUID AUTHENTICATIONFAILED AUTHORIZATIONFAILED BADCHARSET CANNOT"
    " CLIENTBUG CLOSED CONTACTADMIN COPYUID CORRUPTION EXPIRED EXPUNGEISSUED HASCHILDREN INUSE"
    " LIMIT NONEXISTENT NOPERM NOTSAVED NOUPDATE OVERQUOTA PARSE PERMANENTFLAGS PRIVACYREQUIRED"
    " READ-ONLY READ-WRITE SERVERBUG THROTTLED TRYCREATE UIDNOTSTICKY UNAVAILABLE UNKNOWN-CTE"
    " UNSEEN NOMODSEQ MODIFIED MAILBOXID HIGHESTMODSEQ UIDNEXT UIDVALIDITY CAPABILITY"
)
_NUMBERS = "EXISTS HIGHESTMODSEQ MESSAGES MODSEQ RECENT RFC822.SIZE UID UIDNEXT UIDVALIDITY UNSEEN"
_ITEMS = "FLAGS INTERNALDATE BODY[] EMAILID THREADID X-GM-LABELS X-GM-MSGID X-GM-THRID"
_MESSAGE_ID = "BODY[HEADER.FIELDS (MESSAGE-ID)]"
_PARTS = (
    "BYE CODE COUNT ENABLED ESEARCH EXPUNGE FETCH FLAG GREETING ID LIST NAMESPACE NAME-FORM"
    " NAMED-SIZE ORDER PREAUTH SEARCH SEPARATOR STATUS VANISHED"
)
_SEPARATORS = tuple(f"SEPARATOR {each}" for each in ("/", ".", "\\", "NIL"))
_FIELD_NAMES = frozenset(" ".join((_CAPABILITIES, _CODES, _NUMBERS, _ITEMS, _PARTS)).split()) | {
    _MESSAGE_ID,
    *_SEPARATORS,
}
_COMMANDS = (
    "AUTHENTICATE LOGIN EXAMINE NOOP CLOSE UNSELECT LOGOUT RETURN CHANGEDSINCE BODY.PEEK[]"
    " BODY.PEEK[]<n> BODY.PEEK[HEADER.FIELDS MESSAGE-ID ] ALL MIN MAX SIZE {folder}"
)
_COMMAND_WORDS = _FIELD_NAMES | frozenset(_COMMANDS.split())
RECORDABLE_NAMES_AND_WORDS = RecordableNamesAndWords(
    field_name_pattern=re.compile("|".join(re.escape(each) for each in _FIELD_NAMES)),
    fields_with_user_defined_keys=frozenset(),
    allowed_words_by_field=dict(
        parse_allowed_word_lines(
            f"CODE: {_CODES}",
            "FLAG: \\seen \\answered \\flagged \\deleted \\draft \\recent \\noselect \\noinferiors"
            " \\haschildren \\hasnochildren \\marked \\unmarked \\nonexistent \\subscribed \\remote"
            " \\all \\archive \\drafts \\flagged \\junk \\sent \\trash \\important $forwarded"
            " $mdnsent $junk $notjunk junk nonjunk",
            "NAME-FORM: quoted atom literal",
            "NAMED-SIZE: equal smaller larger",
            "ORDER: ascending other",
        )
    ),
    names_of_fields_with_recorded_size=frozenset(),  # all numbers depend on the mailbox
)
_STRINGS = re.compile(r'"(?:[^"\\]|\\.)*"')
_LIST = re.compile(r'\(([^)]*)\) (?:"(\\?.)"|(NIL)) (.)', re.IGNORECASE | re.DOTALL)
_PAIR = re.compile(r"([A-Za-z-]+) \(?(\d{1,20})")
_CODE = re.compile(r"\[([A-Za-z0-9-]+) ?([^\]]*)\]")


def redact_command(text: str) -> str:
    """Return the IMAP command `text`, which has no tag, in fixed words. Placeholders replace names
    of folders, UIDs and numbers. `{word}` replaces every word that a record may not contain."""
    verb, _, arguments = text.partition(" ")
    if verb.upper() in ("LOGIN", "AUTHENTICATE", "ID"):
        return verb.upper()
    if verb.upper() in ("EXAMINE", "STATUS", "LIST"):
        arguments = _STRINGS.sub("{folder}", arguments.replace('"" "*"', "ALL"))
        if verb.upper() != "LIST" and not arguments.startswith("{folder}"):
            arguments = "{folder} " + arguments.partition(" ")[2]
    words = re.sub(r"<[\d.]+>", "<n>", f"{verb} {arguments}".upper().replace("<N>", "<n>"))
    words = words.replace("{FOLDER}", "{folder}")
    return re.sub(r"[^\s()]+", _listed_word, words).strip()


def _listed_word(match: re.Match[str]) -> str:
    word = match[0]
    if word in _COMMAND_WORDS:
        return word
    if re.fullmatch(r"[\d:,*]+", word):
        return "{set}" if re.search(r"[,:*]", word) else "n"
    return "{word}"


def build_response_document(
    untagged: Sequence[ImaplibUntaggedResponse], tagged: str
) -> dict[str, Any]:
    """Describe the responses to a command. Return an object whose keys are fixed words.

    untagged: the parsed untagged responses, each without the leading `* `. In place of a literal's
        contents they have the literal's size as text.
    tagged: status and text of the tagged response.
    """
    found: dict[str, Any] = {}
    uids: list[int] = []
    for records in untagged:
        text = b"".join(each if isinstance(each, bytes) else each[0] for each in records)
        _add_response(found, uids, records, text.decode("latin-1"))
    if uids:
        found["ORDER"] = "ascending" if uids == sorted(uids) else "other"
        found["COUNT"] = len(uids)
    _add_code(found, tagged.partition(" ")[2])
    return found


def _add_response(
    found: dict[str, Any], uids: list[int], records: ImaplibUntaggedResponse, text: str
) -> None:
    first, _, rest = text.partition(" ")
    if first.isdigit():
        name = rest.partition(" ")[0].upper()
        if name == "FETCH":
            found.setdefault(name, []).append(item := _fetched(records))
            uids += [item["UID"]] if isinstance(item.get("UID"), int) else []
        else:
            found[name] = int(first[:19])
        return
    match first.upper():
        case "OK" | "NO" | "BAD" | "BYE" | "PREAUTH":
            _add_code(found, rest)
        case "CAPABILITY" | "ENABLED":
            found[first.upper()] = dict.fromkeys(rest.upper().split(), True)
        case "LIST":
            found.setdefault("LIST", []).append(_listed(rest))
        case "STATUS":
            pairs = _PAIR.findall(rest.rpartition("(")[2])
            found.setdefault("STATUS", []).append({key.upper(): int(n) for key, n in pairs})
        case "SEARCH":
            found["SEARCH"] = {"COUNT": len(rest.split())}
        case name:
            found[name] = "" if name == "ID" else rest


def _add_code(found: dict[str, Any], text: str) -> None:
    if code := _CODE.match(text):
        name, value = code[1].upper(), code[2]
        if name == "CAPABILITY":
            found[name] = dict.fromkeys(value.upper().split(), True)
        elif name in _NUMBERS.split() and value.isdigit():
            found[name] = int(value)
        else:
            found.setdefault("CODE", name)


def _listed(text: str) -> dict[str, Any]:
    match = _LIST.match(text)
    if match is None:
        return {"NAME-FORM": "unreadable"}
    flags, separator, _, first = match.groups()
    form = {'"': "quoted", "{": "literal"}.get(first, "atom")
    named = f"SEPARATOR {(separator or 'NIL')[-1:] if separator else 'NIL'}"
    return {"FLAG": _flags(flags.split()), "NAME-FORM": form, named: True}


def _fetched(records: ImaplibUntaggedResponse) -> dict[str, Any]:
    try:
        items = parse_fetch(records)
    except ValueError:
        return {"NAME-FORM": "unreadable"}
    return dict(_described_items(items))


def _described_items(items: Mapping[bytes, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in items.items():
        text = name.decode("latin-1")
        if text == "FLAGS":
            yield text, _flags(each.decode("latin-1") for each in value)
        elif text == "MODSEQ" and isinstance(value, tuple) and value:
            yield text, value[0]
        elif isinstance(value, bytes):
            yield text, ""
        else:
            yield text, value if isinstance(value, int) else None if value is None else []
    size, body = items.get(b"RFC822.SIZE"), items.get(b"BODY[]")
    if isinstance(size, int) and isinstance(body, bytes) and body.isdigit():
        delivered = int(body)
        yield (
            "NAMED-SIZE",
            ("equal" if size == delivered else "smaller" if size < delivered else "larger"),
        )


def _flags(names: Any) -> list[dict[str, str]]:
    return [{"FLAG": each.lower()} for each in names]
