"""What Microsoft's refusals are to a person and to the workflow."""

import pytest

from mailsync.access.microsoft_refusals import (
    SignInRefused,
    of_organisation,
    of_renewal,
    of_sign_in,
)
from mailsync.errors import AccessRevoked, ProviderRejected, ProviderUnavailable


def refused(error: str, *numbers: int) -> dict[str, object]:
    return {"error": error, "error_codes": [*numbers], "error_description": "ann@example.org"}


@pytest.mark.parametrize(
    "number", [65001, 65004, 50076, 50079, 50173, 54005, 70008, 700082, 700084, 90094, 700016]
)
def test_a_number_that_is_known_has_advice_of_its_own(number: int) -> None:
    known, unknown = (str(of_sign_in(refused("invalid_grant", n))) for n in (number, 123456))

    assert f"AADSTS{number}" in known
    assert known.split("):")[1] != unknown.split("):")[1]
    assert "ann@" not in known + unknown


@pytest.mark.parametrize(
    ("error", "number", "kind"),
    [
        ("invalid_grant", 70008, SignInRefused),
        ("access_denied", 65004, SignInRefused),
        ("invalid_client", 7000222, ProviderRejected),
        ("invalid_client", 700027, ProviderRejected),
        ("temporarily_unavailable", 90033, ProviderUnavailable),
        ("<script>", 1, SignInRefused),
    ],
)
def test_a_person_hears_of_a_sign_in_what_a_person_can_mend(
    error: str, number: int, kind: type[Exception]
) -> None:
    failure = of_sign_in(refused(error, number))

    assert type(failure) is kind
    assert "<" not in str(failure)


@pytest.mark.parametrize(
    ("error", "number", "kind"),
    [
        ("unauthorized_client", 700016, AccessRevoked),
        ("invalid_client", 7000229, AccessRevoked),
        ("invalid_grant", 65001, AccessRevoked),
        ("invalid_client", 7000215, ProviderRejected),
        ("invalid_client", 1000502, ProviderRejected),
        ("server_error", 90033, ProviderUnavailable),
    ],
)
def test_access_of_an_organisation_is_revoked_only_where_a_person_must_act(
    error: str, number: int, kind: type[Exception]
) -> None:
    assert type(of_organisation(refused(error, number))) is kind


def test_a_tenant_that_lost_the_app_is_no_revoked_grant_to_a_renewal() -> None:
    assert type(of_renewal(refused("unauthorized_client", 700016))) is ProviderRejected
