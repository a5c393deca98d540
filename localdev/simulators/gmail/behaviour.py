"""Define the switches of the simulated Gmail API."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class GmailBehaviour:
    """Switches of the simulated Gmail. The defaults are what clients have observed, without limits.

    units_per_minute_of_user, units_per_minute_of_project: quotas. None: no limit, but units are
        counted. Google's are 6,000 and 1,200,000.
    minute_s: seconds that a minute of the quota lasts.
    requests_in_flight: limit of concurrent requests per mailbox.
    refusal_status: status of a refusal for the quota, 403 or 429.
    names_window_start: whether such a refusal says when the present minute began.
    are_refusals_charged: whether refused requests cost units.
    retry_after_s: seconds until the time that a refusal for concurrency names in its text. None: it
        names none.
    has_label_ids_in_history: whether the messages of history records carry their labels.
    is_inbox_removal_reported: whether the history reports that a message in Trash or Spam left the
        inbox by itself.
    is_label_deletion_in_history: whether the history reports that messages lost a deleted label.
    is_trash_counted: whether `labels.get` counts messages that are in Trash or Spam as well.
    does_profile_count_trash: whether `messagesTotal` of the profile counts Trash and Spam.
    are_pages_disordered: whether the entries of a page of messages or of the history are not in the
        order of time.
    largest_page: maximum number of entries on a page of a list.
    max_inline_text_bytes: size up to which a text has its `data` in the message; a longer one has
        an attachment id. Google documents no size.
    is_batch_reversed: whether a batch has its responses in the reverse order.
    batch_parts_left_out: number of responses that a batch lacks, the first ones.
    is_api_enabled: False: the API is not enabled in the project (`accessNotConfigured`).
    push_url: where Pub/Sub posts its messages. None: nobody subscribes to the topic.
    push_retry_s: seconds until a push that was not accepted is posted again.
    push_interval_s: minimum seconds between two pushes for a mailbox.
    pushes_lost: pushes are counted and not sent.

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
