"""Switches for behaviour that Microsoft leaves open or changes, with its likeliest values."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """Behaviour of the simulated services; the defaults are what clients have observed.

    app_mailboxes: addresses of the mailboxes that an app without a user may read; None: all.
    has_delta: False as in a national cloud, which has no delta queries.
    answers_kept: number of earlier responses kept per kind of request, for the fault `old`.

    Sources: Microsoft Graph docs (delta-query-messages, throttling-limits, outlook-immutable-id),
        and public issue reports where the documentation is silent.
    """

    largest_page: int = 500
    generations_kept: int = 4
    requests_in_flight: int = 4
    requests_per_window: int = 10_000
    retry_after_s: float | None = 1
    has_delta: bool = True
    answers_kept: int = 0
    flat_folder_delta: bool = True
    move_in_reported: bool = True
    read_state_is_partial: bool = True
    readd_is_lost: bool = True
    replayed_changes: int = 0
    purged_stay_readable: bool = True
    token_lifetime_s: int = 3599
    app_secret_expired: bool = False
    tenant_consented: bool = True
    app_roles: tuple[str, ...] = ("Mail.Read", "Mail.ReadWrite", "User.Read.All")
    app_mailboxes: tuple[str, ...] | None = None
    subscriptions_page: int = 100
    notifications_lost: bool = False
    notification_retry_s: float = 10


@dataclass(frozen=True, slots=True)
class Latency:
    """Duration of a Graph request in seconds: a fixed part, and a part for each message of the
    page.

    The latency `real` fits two public measurements, 88 ms for an empty page and 361 ms for ten full
    messages. The cost of a message without its body is an assumption.
    """

    fixed_s: float = 0
    full_message_s: float = 0
    lean_message_s: float = 0

    def page_latency_s(self, *, full: int = 0, lean: int = 0) -> float:
        return self.fixed_s + full * self.full_message_s + lean * self.lean_message_s


LATENCY_BY_NAME = {
    "none": Latency(),
    "real": Latency(fixed_s=0.085, full_message_s=0.027, lean_message_s=0.003),
}
