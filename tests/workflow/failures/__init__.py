"""The failure catalogue: what Microsoft Graph is known to do wrong, and the rows that come of it.

Each test of its first part names its rows of the catalogue. Where they are:

    test_answers.py          2 to 4, 10 to 13, 22 to 28, 49
    test_lost_positions.py   1, 4, 10 to 12, 21, 37, 39, 40
    test_mailbox_changes.py  5 to 9, 13 to 20, 30, 32 to 38, 45
    test_limits.py           22, 24, 27 to 29, 46, 49
    test_quarantine.py       31

Elsewhere: 42 to 44 in `tests/api/test_push_leftovers.py`, `test_webhooks.py` and
`tests/local/stack/test_push.py`.

Rows that cannot occur: 41 is about shared mailboxes, which are not subscribed to as such. 47 is
msal's memory of a refusal, which `tests/api/credentials` covers. 48 is a start without a full
sync, which Mailsync never requests. 50 is about headers that are not mirrored.

Its second part is well-formed answers that are wrong:

    test_removals.py             lists and answers by id that lack folders and messages which exist,
                                 most of a mailbox
    test_folder_trees.py         folders that cannot be listed or read; no delta; many folders
    test_comparisons.py          counts that are wrong, changes that no feed reports, failed repairs
    test_contradictions.py       a listing and an answer by id that differ
    test_verification.py         what a verification compares by ids, and when
    test_quarantine.py           messages that cannot be read, stored or rendered by the provider
    test_closed_accounts.py      401 and refusals that are outages
    test_limits.py               fewer slots than four; pauses in every state

At random, `tests/torture` replaces any answer by such a one.
"""
