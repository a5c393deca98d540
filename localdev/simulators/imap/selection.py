"""Find the messages of the open folder that a command names by UID or by sequence number."""

from collections.abc import Iterator

from localdev.simulators.imap.command import (
    BadCommand,
    Command,
    ParsedArgument,
    parse_text_argument,
)
from localdev.simulators.imap.folder_state import MessageWithoutContents
from localdev.simulators.imap.number_set import parse_sequence_set
from localdev.simulators.imap.session import SelectedFolder


def is_uid_command(command: Command) -> bool:
    return command.verb.startswith("UID ")


def find_messages_in_sequence_set(
    selected: SelectedFolder, numbers: ParsedArgument, *, by_uid: bool
) -> list[tuple[int, MessageWithoutContents]]:
    """Return the messages that a command names, each after its sequence number.

    numbers: the command's argument, a set such as `1:5,9`.
    by_uid: whether the set contains UIDs. False: sequence numbers.

    Raises:
        BadCommand: the set is malformed or has a sequence number that is too high.
    """
    wanted = parse_sequence_set(parse_text_argument(numbers))
    if not by_uid:
        if wanted.highest_number_except_star > len(selected.messages):
            raise BadCommand("Invalid messageset: the mailbox has fewer messages.")
        chosen = wanted.filter_numbers(range(1, len(selected.messages) + 1))
        return [(number, selected.messages[number - 1]) for number in chosen]
    position = {uid: number for number, uid in enumerate(selected.uids, 1)}
    return [
        (position[uid], selected.messages[position[uid] - 1])
        for uid in wanted.filter_numbers(selected.uids)
    ]


def messages_with_flag(
    messages: Iterator[MessageWithoutContents] | list[MessageWithoutContents], flag: str
) -> list[MessageWithoutContents]:
    return [each for each in messages if flag in each.flags]
