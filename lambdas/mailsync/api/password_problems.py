"""Define the problems (422) of a sign-in at a mail server by password."""

from dataclasses import replace

from mailsync.api.problems import Problem

PASSWORD_REFUSED_PROBLEM = Problem(
    type_urn_suffix="password-refused",
    http_status=422,
    title="The mail server refused the user name or the password",
    detail="The mail server refused the user name or the password, so no mailbox was connected;"
    " correct them and send the request again. Some servers want a password for apps instead of"
    " the account's own.",
)
APP_PASSWORD_NEEDED_PROBLEM = Problem(
    type_urn_suffix="app-password-needed",
    http_status=422,
    title="The mail server wants a password for apps",
    detail="The mail server does not accept this password over IMAP, so no mailbox was connected."
    " Switch on IMAP in the settings of the mailbox, create a password for apps there, and connect"
    " the mailbox with it.",
)
MAIL_SERVER_UNUSABLE_PROBLEM = Problem(
    type_urn_suffix="mail-server-unusable",
    http_status=422,
    title="The mail server cannot be used",
    detail="The certificate of imap.example.org has expired, so Mailsync does not send it a"
    " password: correct the name of the server, or ask its operator for a valid certificate."
    " No mailbox was connected.",
)
DOCUMENTED_PASSWORD_PROBLEMS = (
    PASSWORD_REFUSED_PROBLEM,
    APP_PASSWORD_NEEDED_PROBLEM,
    MAIL_SERVER_UNUSABLE_PROBLEM,
)
"""All problems of this module, for the examples of the OpenAPI document."""


def replace_general_by_server_advice(problem: Problem, advice: str) -> Problem:
    """Return the problem with `advice` in place of its general advice: the part of `problem.detail`
    after "no mailbox was connected". Return the problem unchanged if `advice` is empty.

    advice: what the user of this mail server can do.

    Raises:
        ValueError: `problem.detail` does not contain the text "no mailbox was connected".
    """
    if not advice:
        return problem
    what = problem.detail[: problem.detail.index("no mailbox was connected")]
    return replace(problem, detail=f"{what}no mailbox was connected. {advice}")
