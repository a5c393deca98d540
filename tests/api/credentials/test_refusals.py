"""What Microsoft's refusals are to a person and to the workflow."""

from collections.abc import Callable

import pytest

from mailsync.credentials.identity import SignInRejected, entra_codes
from mailsync.credentials.identity.entra_codes import (
    ADVICE_BY_SUBERROR,
    KIND_AND_ADVICE_BY_AADSTS_CODE,
)
from mailsync.credentials.identity.entra_errors import (
    to_app_only_access_error,
    to_renewal_error,
    to_sign_in_error,
)
from mailsync.credentials.identity.error_kind import ErrorKind
from mailsync.errors import (
    AccessRevoked,
    MailsyncError,
    ProviderRejected,
    ProviderThrottled,
    ProviderUnavailable,
)


def refused(error: str, *numbers: int) -> dict[str, object]:
    return {"error": error, "error_codes": [*numbers], "error_description": "ann@example.org"}


@pytest.mark.parametrize(
    ("refusal", "error", "number", "kind"),
    [
        (to_sign_in_error, "invalid_grant", 70008, SignInRejected),
        (to_sign_in_error, "access_denied", 65004, SignInRejected),
        (to_sign_in_error, "invalid_client", 7000222, ProviderRejected),
        (to_sign_in_error, "invalid_client", 700027, ProviderRejected),
        (to_sign_in_error, "temporarily_unavailable", 90033, ProviderUnavailable),
        (to_sign_in_error, "<script>", 1, SignInRejected),
        (to_app_only_access_error, "unauthorized_client", 700016, AccessRevoked),
        (to_app_only_access_error, "invalid_client", 7000229, AccessRevoked),
        (to_app_only_access_error, "invalid_grant", 65001, AccessRevoked),
        (to_app_only_access_error, "invalid_client", 7000215, ProviderRejected),
        (to_app_only_access_error, "invalid_client", 1000502, ProviderRejected),
        (to_app_only_access_error, "server_error", 90033, ProviderUnavailable),
        # A tenant that lost the app is no revoked grant.
        (to_renewal_error, "unauthorized_client", 700016, ProviderRejected),
    ],
)
def test_access_is_refused_or_revoked_only_where_a_person_can_mend_it(
    refusal: Callable[..., Exception], error: str, number: int, kind: type[Exception]
) -> None:
    failure = refusal(refused(error, number))

    assert type(failure) is kind
    assert "<" not in str(failure)


OUTAGES = (50000, 50033, 50087, 70012, 90006, 90012, 90024, 90033, 90036, 90090, 90091, 90092)


@pytest.mark.parametrize("number", OUTAGES)
def test_an_outage_closes_no_account_under_any_error_name(number: int) -> None:
    for error in ("invalid_grant", "invalid_client", "server_error"):
        assert type(to_renewal_error(refused(error, number))) is ProviderUnavailable
        assert type(to_sign_in_error(refused(error, number))) is ProviderUnavailable


@pytest.mark.parametrize("number", [50196, 90055])
def test_throttling_named_invalid_grant_is_waited_out(number: int) -> None:
    for refusal in (to_renewal_error, to_app_only_access_error, to_sign_in_error):
        failure = refusal(refused("invalid_grant", number), 90)

        assert isinstance(failure, ProviderThrottled)
        assert failure.retry_after_s == 90


@pytest.mark.parametrize(
    ("number", "kind", "advice", "is_final"),
    [
        *((number, AccessRevoked, "sign in again", True) for number in (50173, 70043)),
        *((number, AccessRevoked, "sign-in again", True) for number in (70008, 700082, 700084)),
        (70000, AccessRevoked, "sign-in again", False),
        *((number, AccessRevoked, "second factor", False) for number in (50076, 50079)),
        (50055, AccessRevoked, "new password", False),
        (65001, AccessRevoked, "agree", False),
        (90094, AccessRevoked, "administrator of your organisation may agree", False),
        (50105, AccessRevoked, "administrator must assign", False),
        (50057, AccessRevoked, "disabled", False),
        *((number, AccessRevoked, "devices", False) for number in (53000, 53001, 50097)),
        *(
            (number, AccessRevoked, "rules for sign-ins", False)
            for number in (53003, 50131, 530032)
        ),
        (7000215, ProviderRejected, "MICROSOFT_CLIENT_SECRET: it is wrong", False),
        (7000222, ProviderRejected, "MICROSOFT_CLIENT_SECRET: it has expired", False),
        (700027, ProviderRejected, "MICROSOFT_CLIENT_CERTIFICATE", False),
        (1000502, ProviderRejected, "MICROSOFT_CLIENT_CERTIFICATE", False),
        (700024, ProviderRejected, "clock", False),
        (9002332, ProviderRejected, "MICROSOFT_AUTHORITY", False),
        (650056, ProviderRejected, "permissions", False),
        (7000112, ProviderRejected, "disabled", False),
    ],
)
def test_a_refused_renewal_says_who_can_mend_it_and_is_final_once_its_grant_has_ended(
    number: int, kind: type[MailsyncError], advice: str, is_final: bool
) -> None:
    failure = to_renewal_error(refused("invalid_grant", number))

    assert type(failure) is kind
    assert f"AADSTS{number}" in str(failure)
    assert advice in str(failure)
    assert "mail stays readable" in str(failure)
    assert getattr(failure, "is_final", False) is is_final


def test_the_more_specific_number_stands_behind_the_general_one() -> None:
    """As the older endpoint words it: 70002 alone is a wrong secret."""
    failure = to_renewal_error(refused("invalid_grant", 70002, 70008))

    assert isinstance(failure, AccessRevoked)
    assert "has expired" in str(failure)


@pytest.mark.parametrize("suberror", [*ADVICE_BY_SUBERROR, "unheard_of", None])
def test_a_suberror_classifies_an_unknown_number_as_never_final(suberror: str | None) -> None:
    failure = to_renewal_error({**refused("invalid_grant", 123456), "suberror": suberror})

    assert isinstance(failure, AccessRevoked)
    assert not failure.is_final
    assert ADVICE_BY_SUBERROR.get(str(suberror), "connect the mailbox again") in str(failure)


def test_each_number_stands_once_in_the_table() -> None:
    table = entra_codes._TABLE

    assert sum(len(numbers) for *_, numbers in table) == len(KIND_AND_ADVICE_BY_AADSTS_CODE)
    assert {kind for kind, *_ in table} == set(ErrorKind)


def test_every_number_is_a_failure_with_a_name_and_a_sentence_of_its_own() -> None:
    for number, (_, advice) in KIND_AND_ADVICE_BY_AADSTS_CODE.items():
        for failure in (to_renewal_error, to_sign_in_error):
            text = str(failure(refused("invalid_grant", number)))
            assert f"AADSTS{number}" in text
            assert advice in text
            assert "ann@" not in text
