"""Fetch whole messages, several at the same time, for as few quota units as possible.

A message costs 20 units and a whole thread 40. So a thread is requested as a whole if at least
three of its messages are wanted.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from mailsync.errors import ProviderThrottled
from mailsync.model import Message, MessageNotFoundByIdResult, RemoteId, UnreadableMessage
from mailsync.providers.gmail import units
from mailsync.providers.gmail.errors import (
    TOO_LARGE_RESPONSE_STATUS,
    GmailResponse,
    to_mailsync_error,
)
from mailsync.providers.gmail.http import (
    MAX_MESSAGE_RESPONSE_BYTES,
    MAX_REQUESTS_IN_FLIGHT,
    MIN_REFUSED_REQUESTS_TO_BLAME_MAILBOX,
    GmailClient,
    GmailRequest,
    join_quoted_path_parts,
)
from mailsync.providers.gmail.messages import (
    parse_full_format_message,
    parse_raw_message,
    parse_thread,
)

MIN_WANTED_MESSAGES_PER_THREAD = units.GET_THREAD_COST // units.GET_MESSAGE_COST + 1
"""The number of wanted messages of a thread from which on requesting the whole thread costs less
than requesting the messages."""
MIN_SHARE_OF_MESSAGES_FROM_THREADS = 0.67
"""The minimum success share of thread requests: the share of the wanted messages that a requested
thread has supplied, so that the raw message need not be requested. Below this share, threads save
nothing, and messages are requested one by one."""
MIN_MESSAGES_TO_JUDGE_THREAD_FETCHES = 30
"""The number of wanted messages in requested threads from which on
MIN_SHARE_OF_MESSAGES_FROM_THREADS applies."""
MIN_UNANSWERED_MESSAGES_TO_BLAME_MAILBOX = 5
"""The number of messages without a response from which on the mailbox counts as the cause, if no
message of the group was fetched."""
TARGET_QUOTA_UNITS_PER_MESSAGE_BATCH = MAX_REQUESTS_IN_FLIGHT * units.GET_MESSAGE_COST
"""The quota units of a group of messages that are fetched at the same time. The next group is
fetched after this group."""
MIN_TEXT_CHARS_TO_END_CALL = 8 * 2**20
"""The number of characters of all texts together from which on a call fetches no further group of
messages."""
_Result = Message | MessageNotFoundByIdResult | UnreadableMessage


@dataclass(frozen=True, slots=True)
class _Part:
    """Messages that one step of `MessageReader.fetch_messages` fetches.

    threads: ids of the wanted messages of each thread that is requested as a whole, by thread id.
    alone: ids of the messages that are requested one by one.
    """

    threads: dict[RemoteId, tuple[RemoteId, ...]] = field(default_factory=dict)
    alone: list[RemoteId] = field(default_factory=list)

    @property
    def units(self) -> int:
        return len(self.threads) * units.GET_THREAD_COST + len(self.alone) * units.GET_MESSAGE_COST


class MessageReader:
    """Reads messages of one mailbox.

    thread_of: thread id of each message whose thread a list or the history has named, by message
        id.
    """

    def __init__(self, client: GmailClient) -> None:
        self.thread_of: dict[RemoteId, RemoteId] = {}
        self._client = client
        self._wanted_count = self._certain_count = 0

    def fetch_messages(
        self, ids: Sequence[RemoteId], *, is_shared: bool = False
    ) -> Sequence[_Result]:
        """Fetch messages by id; return one result per id, in the order of the ids.

        If Gmail requests a pause during the call, or the texts exceed MIN_TEXT_CHARS_TO_END_CALL,
        only the results for the first ids are returned, at least one.

        is_shared: other workers send requests to the mailbox too, so send fewer at the same time.

        Raises:
            errors of `MailProvider`: a failure concerns the mailbox and not a single message.
        """
        found: dict[RemoteId, _Result] = {}
        try:
            for part in self._divide(ids):
                self._fetch_part(part, found, is_shared=is_shared)
                if sum(map(_text_chars, found.values())) > MIN_TEXT_CHARS_TO_END_CALL:
                    break
        except ProviderThrottled:
            if ids[0] not in found:
                raise
        end = next((at for at, each in enumerate(ids) if each not in found), len(ids))
        return [found[each] for each in ids[:end]]

    def _divide(self, ids: Sequence[RemoteId]) -> Iterator["_Part"]:
        """Divide the messages into parts that cost about `TARGET_QUOTA_UNITS_PER_MESSAGE_BATCH`
        quota units each. The parts are fetched one after the other, so if the quota is used up, the
        messages of the earlier parts are not lost."""
        wanted: dict[RemoteId, dict[RemoteId, None]] = defaultdict(dict)
        for each in ids:
            wanted[self.thread_of.get(each, each)][each] = None
        part = _Part()
        for thread_id, of_thread in wanted.items():
            if len(of_thread) >= MIN_WANTED_MESSAGES_PER_THREAD and self._are_threads_worthwhile():
                part.threads[thread_id] = tuple(of_thread)
            else:
                part.alone.extend(of_thread)
            if part.units >= TARGET_QUOTA_UNITS_PER_MESSAGE_BATCH:
                yield part
                part = _Part()
        yield part

    def _fetch_part(
        self, part: "_Part", found: dict[RemoteId, _Result], *, is_shared: bool
    ) -> None:
        """Add the results for a part of the messages to `found`.

        Raises:
            ProviderThrottled: a pause is necessary; `found` has the messages fetched so far.
        """
        found.update(self._fetch_threads(part.threads, is_shared=is_shared))
        named = (each for of_thread in part.threads.values() for each in of_thread)
        rest = [*(each for each in named if each not in found), *part.alone]
        self._fetch_raw(rest, found, is_shared=is_shared)

    def _fetch_threads(
        self, threads: Mapping[RemoteId, Sequence[RemoteId]], *, is_shared: bool
    ) -> Mapping[RemoteId, _Result]:
        """Request whole threads. Return, by message id, the wanted messages whose parsed form
        certainly equals that of the raw message.

        threads: the ids of the wanted messages of each thread, by thread id.
        """
        by_path = {join_quoted_path_parts("threads", each): each for each in threads}
        responses = self._client.get_concurrently(
            [
                GmailRequest(path, units.GET_THREAD_COST, (("format", "full"),), True)
                for path in by_path
            ],
            lambda request, response: parse_thread(
                response.body, by_path[request.path], threads[by_path[request.path]]
            ),
            is_shared=is_shared,
        )
        results: dict[RemoteId, _Result] = {}
        for response in responses:
            if not isinstance(response, GmailResponse):
                results.update(response)
        self._wanted_count += sum(map(len, threads.values()))
        self._certain_count += len(results)
        return results

    def _are_threads_worthwhile(self) -> bool:
        if self._wanted_count < MIN_MESSAGES_TO_JUDGE_THREAD_FETCHES:
            return True
        return self._certain_count >= MIN_SHARE_OF_MESSAGES_FROM_THREADS * self._wanted_count

    def _fetch_raw(
        self, ids: Sequence[RemoteId], found: dict[RemoteId, _Result], *, is_shared: bool
    ) -> None:
        by_path = {join_quoted_path_parts("messages", each): each for each in ids}
        responses = self._client.get_concurrently(
            [
                GmailRequest(each, units.GET_MESSAGE_COST, (("format", "raw"),), True)
                for each in by_path
            ],
            lambda request, response: parse_raw_message(by_path[request.path], response.body),
            is_shared=is_shared,
        )
        failed: dict[RemoteId, GmailResponse] = {}
        for remote_id, each in zip(ids, responses, strict=True):
            if isinstance(each, GmailResponse):
                failed[remote_id] = each
            else:
                found[remote_id] = each
        self._require_mailbox(list(failed.values()), has_success=len(failed) < len(ids))
        for remote_id, response in failed.items():
            found[remote_id] = self._failed_message(remote_id, response)

    def _require_mailbox(self, failed: Sequence[GmailResponse], *, has_success: bool) -> None:
        """Raise an error if the failed responses show that the mailbox cannot be read, and not only
        single messages.

        Three cases show this. Gmail's reason says that all requests to the mailbox are refused.
        Gmail refused (403) `MIN_REFUSED_REQUESTS_TO_BLAME_MAILBOX` messages; one is enough if no
        message was fetched. No message was fetched, and `MIN_UNANSWERED_MESSAGES_TO_BLAME_MAILBOX`
        messages may succeed later, or a request for the profile fails too.
        """
        for each in sorted(failed, key=lambda each: each.is_throttled):
            if each.is_refusal_of_whole_mailbox:
                raise to_mailsync_error(each)
        refused = [each for each in failed if each.status == 403]
        if len(refused) >= MIN_REFUSED_REQUESTS_TO_BLAME_MAILBOX or (refused and not has_success):
            raise to_mailsync_error(refused[0])
        unanswered = [each for each in failed if each.is_retryable]
        if not unanswered or has_success:
            return
        profile = self._client.get(GmailRequest("profile", units.GET_PROFILE_COST))
        if (
            not profile.has_status_200
            or len(unanswered) >= MIN_UNANSWERED_MESSAGES_TO_BLAME_MAILBOX
        ):
            raise to_mailsync_error(unanswered[0])

    def _failed_message(self, remote_id: RemoteId, response: GmailResponse) -> _Result:
        """Return the result for a message that was not fetched, while the mailbox responds.

        The API's report that a message does not exist is only a hint: mail that was just sent can
        be reported so for some seconds (byeokim/gmailpush #10).
        """
        if response.is_not_found or response.is_invalid_argument:
            return MessageNotFoundByIdResult(remote_id, is_certainly_gone=False)
        if response.status == TOO_LARGE_RESPONSE_STATUS:
            return self._without_attachments(remote_id) or _too_large(remote_id)
        return UnreadableMessage(remote_id, "unanswered", str(to_mailsync_error(response)))

    def _without_attachments(
        self, remote_id: RemoteId
    ) -> Message | MessageNotFoundByIdResult | None:
        """Return a message whose raw form is too large, read without its attachments. None: the
        request fails, or the parts do not certainly give the same result as the raw message.

        Raises:
            errors of `MailProvider`: Gmail refuses all requests to the mailbox.
        """
        request = GmailRequest(
            join_quoted_path_parts("messages", remote_id),
            units.GET_MESSAGE_COST,
            (("format", "full"),),
            True,
        )
        [found] = self._client.get_concurrently(
            [request], lambda _, response: (parse_full_format_message(remote_id, response.body),)
        )
        if isinstance(found, GmailResponse):
            if found.is_refusal_of_whole_mailbox:
                raise to_mailsync_error(found)
            return None
        return found[0]


def _too_large(remote_id: RemoteId) -> UnreadableMessage:
    size = f"{MAX_MESSAGE_RESPONSE_BYTES * 3 // 4 // 2**20} MB"
    return UnreadableMessage(remote_id, "too_large", f"The message has more than {size}.")


def _text_chars(result: _Result) -> int:
    if not isinstance(result, Message):
        return 0
    return len(result.body_text or "") + len(result.body_html or "")
