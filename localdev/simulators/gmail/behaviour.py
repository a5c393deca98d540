"""Define the switches of the simulated Gmail API."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class GmailBehaviour:
    """Switches of the simulated Gmail. By default it behaves as clients have observed Gmail,
    without a limit of quota units.

    units_per_minute_of_user, units_per_minute_of_project: quota units that a user and the project
        may use in a minute. None: no limit, but units are counted. Google's limits are 6,000 and
        1,200,000.
    minute_s: real seconds that one minute of the quota lasts, so that tests need not wait.
    requests_in_flight: limit of concurrent requests per mailbox.
    refusal_status: HTTP status of the error when the quota is used up, 403 or 429.
    names_window_start: whether the error for a used-up quota says when the present minute began.
    are_refusals_charged: whether refused requests cost units.
    retry_after_s: the error for too many concurrent requests names a time for the next attempt;
        this is the number of seconds until then. None: the error names no time.
    has_label_ids_in_history: whether the messages of history records carry their labels.
    is_inbox_removal_reported: whether the history reports that Gmail removed the label INBOX when a
        message got the label TRASH or SPAM.
    is_label_deletion_in_history: whether the history reports that messages lost a deleted label.
    is_trash_counted: whether `labels.get` counts messages that are in Trash or Spam as well.
    does_profile_count_trash: whether `messagesTotal` of the profile counts Trash and Spam.
    are_pages_disordered: whether pages of messages and of the history list their entries in the
        reverse order.
    largest_page: maximum number of entries on a page of a list.
    max_inline_text_bytes: largest size of a text part whose `data` is in the message. A larger text
        part has an attachment id instead. Google documents no size.
    is_batch_reversed: whether a batch has its responses in the reverse order.
    batch_parts_left_out: number of responses, from the first on, that a batch leaves out.
    is_api_enabled: whether the project may use the API. False: the error `accessNotConfigured`.
    push_url: URL to which push notifications are posted. None: no push is posted.
    push_retry_s: seconds until a push that was not accepted is posted again.
    push_interval_s: minimum number of seconds between two pushes for a mailbox.
    pushes_lost: whether all pushes are lost, so that no subscriber receives one.

    Sources: Gmail API documentation, "Usage limits", "Push notifications", "Resolve errors".
    """

    units_per_minute_of_user: int | None = None
    units_per_minute_of_project: int | None = None
    minute_s: float = 60
    requests_in_flight: int = 50
    refusal_status: int = 403
    names_window_start: bool = True
    are_refusals_charged: bool = False
    retry_after_s: float | None = None
    has_label_ids_in_history: bool = True
    is_inbox_removal_reported: bool = True
    is_label_deletion_in_history: bool = False
    is_trash_counted: bool = True
    does_profile_count_trash: bool = True
    are_pages_disordered: bool = False
    largest_page: int = 500
    max_inline_text_bytes: int = 1_000_000
    is_batch_reversed: bool = False
    batch_parts_left_out: int = 0
    is_api_enabled: bool = True
    push_url: str | None = None
    push_retry_s: float = 10
    push_interval_s: float = 1
    pushes_lost: bool = False
