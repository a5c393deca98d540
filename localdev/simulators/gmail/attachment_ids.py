"""Give ids to attachments. Each response that contains a message with its contents has new
attachment ids. An older attachment id gets status 400 (dust-tt/dust PR 27314)."""

from base64 import urlsafe_b64encode
from hashlib import sha512
from itertools import count

from localdev.simulators.gmail.payload import AttachmentIdMaker


class AttachmentIdRegistry:
    """The attachment ids that are valid now. Thread-safe."""

    def __init__(self) -> None:
        self._issues = count(1)
        self._valid: dict[str, dict[str, str]] = {}

    def invalidate_ids_and_build_id_maker(self, message_id: str) -> AttachmentIdMaker:
        """Make all attachment ids of a message invalid; return a function that makes new attachment
        ids."""
        issue, valid = next(self._issues), dict[str, str]()
        self._valid[message_id] = valid

        def new_id(part_id: str) -> str:
            digest = sha512(f"{message_id}/{part_id}/{issue}".encode()).digest()
            text = f"ANGjdJ{urlsafe_b64encode(digest * 3).decode()}"
            valid[text] = part_id
            return text

        return new_id

    def find_part_id(self, message_id: str, attachment_id: str) -> str | None:
        """Return the part id of the attachment with this id. Return None if the attachment id is
        unknown or no longer valid."""
        return self._valid.get(message_id, {}).get(attachment_id)
