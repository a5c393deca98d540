"""Define the interface through which a client takes units of the provider's quota before it sends a
request."""

from typing import Protocol


class QuotaUnitSource(Protocol):
    """Interface through which a provider's client takes quota units before it sends a request.

    Each unit is taken from two quotas: the mailbox's quota, and the quota of the application's
    project at the provider. All Lambda functions share these quotas.
    """

    def take_units(self, units: int, *, is_backfill: bool = False) -> None:
        """Take units from the allowance of the mailbox and of the project, before a request is
        sent.

        is_backfill: the request fetches old mail. It must leave a reserve, a tenth of the quota, to
            requests for new mail.

        Raises:
            ProviderThrottled: the units are not available within a short time. The error's
                `retry_after_s` says when they will be available. Nothing was taken.
        """
        ...

    def save_throttle_pause(self, retry_after_s: float | None, *, is_project: bool) -> None:
        """Store that the provider refused a request because the quota is used up, so that no
        function sends a request before the pause has ended.

        retry_after_s: pause that the provider requested, in seconds. None: the provider named no
            pause.
        is_project: the quota of the project, which all mailboxes share, is used up. False: only the
            mailbox's quota is used up.
        """
        ...
