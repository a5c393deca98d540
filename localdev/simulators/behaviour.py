"""Define switches of the simulators for behaviour that Microsoft may change or does not
document."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class MicrosoftBehaviour:
    """Switches of the simulated Graph and identity platform. The defaults are the behaviour that
    clients have observed.

    largest_page: maximum number of items on a page of delta. Other lists ignore it.
    generations_kept: number of the newest delta links of each chain that stay valid. A chain is the
        series of links that one first request started.
    requests_in_flight, requests_per_window: limits of concurrent requests, and of requests in ten
        minutes, per mailbox.
    retry_after_s: seconds in `Retry-After` when a mailbox has too many concurrent requests. None:
        no such header.
    has_delta: whether Graph offers delta queries. False: as in national clouds.
    answers_kept: number of responses that the simulator stores for each kind of request. The fault
        `old` sends a stored response again (see `faults.Fault`).
    flat_folder_delta: whether the delta of folders lists the folders of all levels. False: only the
        top level.
    move_in_reported: whether delta reports a message that was moved into the folder.
    read_state_is_partial: whether delta reports a changed read state without the other properties.
    readd_is_lost: whether delta loses the return of a message that left the folder and came back
        between two rounds. True: delta reports the message as removed.
    replayed_changes: number of earlier changes that a round reports again.
    purged_stay_readable: whether a permanently deleted message can still be read by its id.
    token_lifetime_s: seconds for which an access token is valid.
    app_secret_expired: whether the identity platform rejects the application's secret as expired.
    public_clients_allowed: whether programs without the application's secret may sign in with a
        device code. In Entra, a setting of the app registration decides this.
    tenant_consented: whether an administrator has granted the application its permissions.
    app_roles: permissions of the application without a user.
    app_mailboxes: addresses of the mailboxes that the application may read when it acts without a
        user. None: all mailboxes.
    subscriptions_per_page: maximum number of subscriptions on a page.
    notifications_lost: whether new change notifications are dropped and never sent.
    notification_retry_s: seconds until a notification that was not accepted is first sent again.

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
    public_clients_allowed: bool = False
    tenant_consented: bool = True
    app_roles: tuple[str, ...] = ("Mail.Read", "Mail.ReadWrite", "User.Read.All")
    app_mailboxes: tuple[str, ...] | None = None
    subscriptions_per_page: int = 100
    notifications_lost: bool = False
    notification_retry_s: float = 10


@dataclass(frozen=True, slots=True)
class Latency:
    """The simulated duration of a request to Graph, Gmail or the IMAP server: a fixed part, plus a
    part for each message in the response.

    fixed_s: seconds for each request.
    full_message_s: seconds for each message that the response contains with its body.
    lean_message_s: seconds for each message that the response contains without its body.

    The latency named `real` fits two public measurements of Graph: 88 ms for an empty page and
    361 ms for ten full messages. The value for a message without its body is an assumption.
    """

    fixed_s: float = 0
    full_message_s: float = 0
    lean_message_s: float = 0

    def compute_response_latency_s(self, *, full: int = 0, lean: int = 0) -> float:
        return self.fixed_s + full * self.full_message_s + lean * self.lean_message_s


LATENCY_BY_NAME = {
    "none": Latency(),
    "real": Latency(fixed_s=0.085, full_message_s=0.027, lean_message_s=0.003),
}
