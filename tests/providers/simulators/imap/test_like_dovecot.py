"""Each command answers as Dovecot does, whatever both offer."""

import pytest

from localdev.simulators.imap.options import ImapOptions
from tests.providers.simulators.imap.pair import Pair, profiles_with

pytestmark = pytest.mark.long

FOLDERS = r"""
CREATE <Box>
CREATE <Box/Inner>
CREATE <Entw&APw-rfe>
CREATE <with space>
CREATE <a&-b>
CREATE <Box>
LIST "" ""
LIST "" "*"
LIST "" %
LIST <> %
LIST <Box/> *
LIST <Box/> %
LIST "" inbox
NAMESPACE
RENAME <Box> <Renamed>
LIST "" "*"
LIST "" (<Renamed> INBOX)
RENAME <none> <x>
RENAME <Renamed> <with space>
DELETE <Renamed/Inner>
DELETE <Renamed/Inner>
DELETE INBOX
DELETE <Renamed>
LIST "" *
SUBSCRIBE <with space>
"""
STATUSES = r"""
STATUS INBOX (MESSAGES UNSEEN UIDNEXT UIDVALIDITY)
STATUS iNbOx (MESSAGES)
STATUS <none> (MESSAGES)
STATUS INBOX (NONSENSE)
STATUS INBOX ()
LIST "" * RETURN (STATUS (MESSAGES UIDNEXT UIDVALIDITY UNSEEN))
LIST "" * RETURN (SPECIAL-USE STATUS (MESSAGES))
LIST "" * RETURN (CHILDREN)
SELECT <none>
FETCH 1 FLAGS
NONSENSE
UID NONSENSE
SELECT
EXAMINE INBOX
STORE 1 +FLAGS (\Seen)
EXPUNGE
UNSELECT
UNSELECT
SELECT INBOX
SELECT INBOX
CHECK
NOOP
CLOSE
"""
EMPTY = r"""
SELECT INBOX
FETCH 1 FLAGS
FETCH 1:* FLAGS
UID FETCH 1:* FLAGS
STORE 1:* FLAGS (\Seen)
UID STORE 1:* FLAGS (\Seen)
SEARCH 1:*
SEARCH 1
UID SEARCH 1:*
UID SEARCH UID 1:*
UID COPY 1:* <none>
UID MOVE 1:* <none>
EXPUNGE
"""
FETCHES = r"""
SELECT INBOX
UID FETCH {a}:{c} (FLAGS INTERNALDATE RFC822.SIZE)
UID FETCH {a},{c} (BODY.PEEK[] BODY.PEEK[HEADER] BODY.PEEK[TEXT])
UID FETCH {a} (BODY.PEEK[HEADER.FIELDS (Subject X-None)] BODY.PEEK[HEADER.FIELDS.NOT (SUBJECT)])
UID FETCH {a} (BODY.PEEK[]<0.10> BODY.PEEK[]<5.100000> BODY.PEEK[]<9999.3>)
UID FETCH {a} (RFC822.HEADER)
FETCH 1:* FAST
FETCH 3,1 (UID FLAGS)
UID FETCH 4294967000:* (FLAGS)
UID FETCH 4294967000:4294967001 (FLAGS)
FETCH 1 BODY[TEXT]
FETCH 1 RFC822
UID FETCH {b} (UID BODY[])
FETCH 99 FLAGS
FETCH 0 FLAGS
FETCH x FLAGS
FETCH 1 (NONSENSE)
FETCH 1 (BODY.PEEK[NONSENSE])
"""
STORES = r"""
SELECT INBOX
UID STORE {b},{c} +FLAGS (\Seen \Answered $Work)
UID STORE {b},{c} +FLAGS (\Seen \Answered $Work)
UID STORE {d} FLAGS.SILENT (\Deleted)
UID STORE {d} -FLAGS (\Deleted)
STORE 1:2 +FLAGS.SILENT \Flagged
UID STORE {b} -FLAGS ($work)
STORE 1 FLAGS (\Recent)
STORE 1 FLAGS (\seen)
UID FETCH 1:* (FLAGS)
UID COPY {a},{b} <Box>
UID COPY {a} <None>
UID COPY 4294967000 <Box>
UID MOVE {c} <Box>
UID MOVE {d} <None>
UID STORE {e},{f} +FLAGS.SILENT (\Deleted)
UID EXPUNGE {e}
EXPUNGE
EXPUNGE
UID STORE {g} +FLAGS (\Deleted)
CLOSE
EXAMINE <Box>
FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[TEXT])
UNSELECT
STATUS INBOX (MESSAGES UNSEEN)
STATUS <Box> (MESSAGES UNSEEN)
"""
SEARCHES = r"""
SELECT INBOX
UID STORE {b},{c} +FLAGS (\Seen \Answered $Work)
UID STORE {d} +FLAGS (\Deleted)
UID SEARCH ALL
UID SEARCH UNSEEN
UID SEARCH SEEN NOT DELETED
UID SEARCH KEYWORD $Work
UID SEARCH UNKEYWORD $Work
UID SEARCH OR FLAGGED ANSWERED
SEARCH 2:4 UNSEEN
UID SEARCH UID {a}:{c}
UID SEARCH UID {c}:*
UID SEARCH UID 4294967000:*
UID SEARCH SINCE 1-Jan-2026
UID SEARCH SINCE 2-Jan-2026
UID SEARCH SINCE 3-Jan-2026
UID SEARCH BEFORE 2-Jan-2026
UID SEARCH BEFORE 3-Jan-2026
UID SEARCH ON 2-Jan-2026
UID SEARCH SENTSINCE 1-Jan-2026
UID SEARCH HEADER MESSAGE-ID <<a@x>>
UID SEARCH HEADER "Message-ID" ""
UID SEARCH SUBJECT a
UID SEARCH TEXT hello
UID SEARCH LARGER 10 SMALLER 100000
UID SEARCH (SEEN (ANSWERED))
UID SEARCH RETURN () ALL
UID SEARCH RETURN (MIN MAX COUNT ALL) UNSEEN
UID SEARCH RETURN (COUNT) TEXT nothing
UID SEARCH RETURN (ALL MIN) TEXT nothing
SEARCH RETURN (ALL) ALL
UID SEARCH NONSENSE
UID SEARCH
UID SEARCH NOT
UID SEARCH CHARSET X-NONE ALL
UID SEARCH CHARSET UTF-8 ALL
"""
CHANGES = r"""
SELECT INBOX
UID FETCH {b} (FLAGS MODSEQ)
UID STORE {b} +FLAGS (\Seen)
UID STORE {c} +FLAGS.SILENT (\Seen)
UID MOVE {d} <Box>
UID STORE {e} +FLAGS.SILENT (\Deleted)
EXPUNGE
UID SEARCH MODSEQ $m
UID SEARCH MODSEQ "/flags/\\draft" all $m
UID SEARCH RETURN (ALL) MODSEQ $m
UID FETCH 1:4294967295 (UID FLAGS) (CHANGEDSINCE $m)
FETCH 1:* (FLAGS) (CHANGEDSINCE $m)
UID FETCH {a}:{b} (FLAGS) (CHANGEDSINCE $m)
UID FETCH 1:* (FLAGS) (CHANGEDSINCE 1000000000)
UID STORE {b} (UNCHANGEDSINCE $m) +FLAGS (\Draft)
UID STORE {g} (UNCHANGEDSINCE $m) +FLAGS (\Draft)
STATUS <Box> (MESSAGES HIGHESTMODSEQ)
EXAMINE <Box> (CONDSTORE)
"""
VANISHED = r"""
UID FETCH 1:4294967295 (FLAGS) (CHANGEDSINCE 1 VANISHED)
SELECT INBOX (QRESYNC (1 1))
ENABLE QRESYNC CONDSTORE NONSENSE
SELECT INBOX
UID MOVE {d} <Box>
UID STORE {b} +FLAGS (\Seen)
UID STORE {e},{h} +FLAGS.SILENT (\Deleted)
EXPUNGE
UID FETCH 1:4294967295 (UID FLAGS) (CHANGEDSINCE $m VANISHED)
UID FETCH {a}:{d} (UID FLAGS) (CHANGEDSINCE $m VANISHED)
UID FETCH 1:4294967295 (UID FLAGS) (VANISHED)
FETCH 1:* (FLAGS) (CHANGEDSINCE $m VANISHED)
SELECT INBOX (QRESYNC ($validity $m))
SELECT INBOX (QRESYNC ($validity $m {a}:{d}))
SELECT INBOX (QRESYNC (1 $m))
SELECT INBOX (QRESYNC)
"""


OTHER_CLIENT = r"""
SELECT INBOX
FETCH 1:* FLAGS
@SELECT INBOX
@UID STORE {a} +FLAGS.SILENT (\Seen)
@UID STORE {b} +FLAGS.SILENT (\Deleted)
@EXPUNGE
@UID COPY {c} <INBOX>
NOOP
@UID MOVE {c} <Box>
FETCH 1:* (UID)
NOOP
@UID STORE {a} FLAGS.SILENT (\Flagged)
UID FETCH 1:* (FLAGS)
@UID MOVE {d} <Box>
UID FETCH 1:* (UID BODY.PEEK[TEXT])
@UID STORE {a} -FLAGS.SILENT (\Flagged)
UID SEARCH FLAGGED
NOOP
@RENAME <Box> <Moved>
SELECT <Moved>
@DELETE <Moved>
NOOP
"""
MESSAGES = {
    "plain": b"""Subject: plain
Date: Fri, 02 Jan 2026 10:00:00 +0000
From: "Ada L." <ada@example.com>
To: bo@example.com, Cy <cy@example.com>
Cc: "D, E" <de@example.com>
Message-ID: <plain@x>
In-Reply-To: <before@x>
Content-Type: text/plain; charset="utf-8"

Hello
""",
    "bare": b"Subject: bare\n\nHello\n\nmore",
    "mixed": b"""Subject: mixed
From: ada@example.com
Sender: bo@example.com
Reply-To: cy@example.com
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="b1"

preamble
--b1
Content-Type: multipart/alternative; boundary=b2

--b2
Content-Type: text/plain

text
--b2
Content-Type: text/html; charset=utf-8
Content-Transfer-Encoding: quoted-printable

<p>text</p>

--b2--

--b1
Content-Type: application/pdf; name="a b.pdf"
Content-Disposition: attachment; filename="a b.pdf"
Content-Transfer-Encoding: base64
Content-ID: <id@x>
Content-Description: A file

JVBERg==
--b1--
epilogue
""",
    "nested": b"""Subject: nested
Content-Type: multipart/mixed; boundary=b

--b

no header
--b
Content-Type: message/rfc822

Subject: inner
From: inner@example.com
Content-Type: multipart/mixed; boundary=c

--c
Content-Type: text/plain

deep
--c
Content-Type: text/plain

deeper
--c--
end
--b--
""",
    "unclosed": b"""Subject: unclosed
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: text/plain

text
""",
}
PARTS = ("1", "2", "3", "1.MIME", "2.MIME")
PARTS_OF = {"mixed": ("1.1", "1.2"), "nested": ("2.1", "2.2", "2.HEADER", "2.TEXT")}


@pytest.mark.parametrize("script", [FOLDERS, EMPTY], ids=["folders", "an empty folder"])
def test_an_empty_mailbox(pair: Pair, script: str) -> None:
    pair.assert_same_answers(script)


@pytest.mark.parametrize(
    "script", [STATUSES, FETCHES, STORES, SEARCHES], ids=["status", "fetch", "store", "search"]
)
def test_a_mailbox_with_mail(pair: Pair, script: str) -> None:
    pair.assert_same_answer("CREATE <Box>")
    pair.append(*"abcdefg")
    pair.append("h", flags="\\Seen \\Flagged $Later")
    pair.assert_same_answers(script)


def test_what_another_client_does(pair: Pair, options: ImapOptions) -> None:
    pair.assert_same_answer("CREATE <Box>")
    pair.append(*"abcd")
    if options.has_extension("QRESYNC"):
        pair.assert_same_answer("ENABLE QRESYNC")
    others = [side.connect() for side in pair.sides]
    pair.assert_same_answers(OTHER_CLIENT, others=others)
    for each in others:
        each.close()


@pytest.mark.parametrize("options", profiles_with("CONDSTORE"), indirect=True)
def test_changes_since_a_mod_sequence(pair: Pair, options: ImapOptions) -> None:
    pair.save_mod_seq("early")
    pair.assert_same_answer("CREATE <Box>")
    pair.append(*"abcdefgh")
    pair.save_mod_seq("m")
    pair.assert_same_answers(CHANGES)
    if options.has_extension("QRESYNC"):
        pair.assert_same_answer("UNSELECT")
        pair.assert_same_answer("ENABLE QRESYNC")
        pair.assert_same_answer("SELECT INBOX")
        pair.assert_same_answer("UID FETCH 1:4294967295 (UID FLAGS) (CHANGEDSINCE $early VANISHED)")


@pytest.mark.parametrize("options", profiles_with("QRESYNC"), indirect=True)
def test_vanished_messages(pair: Pair) -> None:
    pair.save_mod_seq("early")
    pair.assert_same_answer("CREATE <Box>")
    pair.append(*"abcdefgh")
    pair.save_mod_seq("m")
    pair.assert_same_answers(VANISHED)


@pytest.mark.parametrize("options", ["QRESYNC"], indirect=True)
def test_the_parts_of_messages(pair: Pair) -> None:
    for message in MESSAGES.values():
        pair.append_message(message.replace(b"\n", b"\r\n"))
    pair.assert_same_answer("EXAMINE INBOX")
    for name in MESSAGES:
        pair.assert_same_answer(f"UID FETCH {{{name}}} (ENVELOPE)")
        pair.assert_same_answer(f"UID FETCH {{{name}}} (BODYSTRUCTURE)")
        for part in (*PARTS, *PARTS_OF.get(name, ())):
            pair.assert_same_answer(f"UID FETCH {{{name}}} (BODY.PEEK[{part}])")
    pair.assert_same_answer("FETCH 1:* ALL")
    pair.assert_same_answer("UID FETCH {mixed} (BODY.PEEK[1]<1.2> BODY.PEEK[2.MIME]<0.5>)")
