"""Read the labels of a mailbox as folders."""

from collections.abc import Iterable, Mapping, Sequence

from mailsync.model import FolderListing, FolderTreeReadingMode, RemoteId, StoredFolder
from mailsync.providers.gmail import units
from mailsync.providers.gmail.errors import GmailResponse, to_mailsync_error
from mailsync.providers.gmail.http import GmailClient, GmailRequest, join_quoted_path_parts
from mailsync.providers.gmail.labels import (
    ALL_MAIL_FOLDER_ID,
    Label,
    LabelCounts,
    convert_labels_to_folders,
    parse_label_counts,
    parse_labels,
)
from mailsync.providers.gmail.listing import MessageListReader
from mailsync.providers.gmail.responses import MalformedResponse, read_id, read_object_list


def read_folders(
    client: GmailClient,
    lists: MessageListReader,
    known: Sequence[StoredFolder],
    reading: FolderTreeReadingMode,
) -> FolderListing:
    """List the labels of the mailbox as folders, with their counts.

    The list costs 1 unit, and each count 1 unit. A reading of LIKELY_CHANGED_FOLDERS only reads the
    counts that the caller wants (`StoredFolder.are_remote_counts_outdated`) and those of new
    folders. If Gmail leaves out the counts of a label, the ids of its messages are listed and
    counted. A stored label that the list lacks is requested by its id.

    known: the stored folders.

    Raises:
        MalformedResponse: the list does not have the documented form.
    """
    response = client.get(GmailRequest("labels", units.LIST_LABELS_COST))
    if not response.has_status_200:
        raise to_mailsync_error(response)
    labels = parse_labels(read_object_list(response.body, "labels"))
    listed = {label.id for label in labels} | {ALL_MAIL_FOLDER_ID}
    lacking = [each.ref.remote_id for each in known if each.ref.remote_id not in listed]
    found = _read_labels(client, lacking)
    counts = _read_counts(client, lists, _counted(labels, known, reading))
    return FolderListing(
        folders=convert_labels_to_folders(labels, counts),
        gone_folder_remote_ids=frozenset(each for each in lacking if found[each] is None),
        existing_unlisted_folder_remote_ids=frozenset(
            each for each in lacking if found[each] is not None
        ),
    )


def _counted(
    labels: Sequence[Label], known: Sequence[StoredFolder], reading: FolderTreeReadingMode
) -> list[RemoteId]:
    """Return the labels whose counts are read."""
    wanted = {each.ref.remote_id: each.are_remote_counts_outdated for each in known}
    is_quick = reading is FolderTreeReadingMode.LIKELY_CHANGED_FOLDERS
    return [
        label.id
        for label in labels
        if label.is_folder and (not is_quick or wanted.get(label.id, True))
    ]


def _read_counts(
    client: GmailClient, lists: MessageListReader, ids: Iterable[RemoteId]
) -> Mapping[RemoteId, LabelCounts]:
    """Return the counts of labels. The result lacks labels that were deleted meanwhile."""
    found = _read_labels(client, ids)
    named = {
        label_id: parse_label_counts(it.body) for label_id, it in found.items() if it is not None
    }
    # Without a new count, the stored count would stay and would pass for the current one.
    counts = {each: it or lists.count_label_messages(each) for each, it in named.items()}
    return {label_id: it for label_id, it in counts.items() if it is not None}


def _read_labels(
    client: GmailClient, ids: Iterable[RemoteId]
) -> Mapping[RemoteId, GmailResponse | None]:
    """Request labels by id; return the responses by label id. None: the label does not exist.

    Raises:
        MailsyncError: a request fails for another reason.
    """
    requests = {
        each: GmailRequest(join_quoted_path_parts("labels", each), units.GET_LABEL_COST)
        for each in ids
    }
    responses = client.get_concurrently(list(requests.values()), _checked) if requests else []
    for response in responses:
        if not response.has_status_200 and not response.is_not_found:
            raise to_mailsync_error(response)
    return {
        label_id: response if response.has_status_200 else None
        for label_id, response in zip(requests, responses, strict=True)
    }


def _checked(request: GmailRequest, response: GmailResponse) -> GmailResponse:
    if request.path != join_quoted_path_parts("labels", read_id(response.body)):
        raise MalformedResponse("id")
    return response
