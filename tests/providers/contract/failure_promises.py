"""The promises of `MailProvider` about failures that every provider keeps."""

from collections.abc import Callable, Mapping

import pytest

from localdev.mail.generate import generate_mail_items
from mailsync.errors import ProviderThrottled, ProviderUnavailable
from mailsync.model import FolderTreeReadingMode, RemoteId
from tests.providers.contract.server import (
    PAGE,
    ContractServer,
    Malformation,
    Replica,
    feed_of,
    reference,
)

PAUSE_S = 77.0
"""Longer than any function sleeps."""
MESSAGES = 8

METHODS: Mapping[str, Callable[[ContractServer], object]] = {
    "list_folders": lambda server: server.provider.list_folders(
        (), FolderTreeReadingMode.ALL_LISTED_FOLDERS
    ),
    "fetch_feed_page": lambda server: server.provider.fetch_feed_page(
        feed_of(server, "inbox"), None, limit=PAGE
    ),
    "list_ids": lambda server: server.provider.list_folder_messages(reference(server, "inbox")),
    "fetch_messages": lambda server: server.provider.fetch_messages([_id_of_newest(server)]),
    "fetch_messages one by one": lambda server: server.provider.fetch_messages(
        [_id_of_newest(server)], one_by_one=True
    ),
}
each_method = pytest.mark.parametrize("method", METHODS)


def _id_of_newest(server: ContractServer) -> RemoteId:
    return RemoteId(
        server.form.message_id(server.mailbox.list_messages_in_folders("inbox")[0].message_number)
    )


class FailureContract:
    """What a provider's failures lead to. Subclassed once per provider, with a fixture `server`
    whose mailbox is empty."""

    REFUSED_TOKEN: type[Exception] = ProviderUnavailable
    """The error for access that stays refused after its renewal."""

    @pytest.fixture
    def mail(self, server: ContractServer) -> None:
        server.mailbox.import_mail_items(generate_mail_items(MESSAGES, owner="ada@example.com"))

    @pytest.fixture
    def replica(self, server: ContractServer, mail: None) -> Replica:
        """Of the mailbox, read once."""
        replica = Replica(server)
        replica.read_on()
        return replica

    @each_method
    @pytest.mark.usefixtures("mail")
    def test_a_pause_that_is_asked_for_is_left_to_the_caller_and_kept(
        self, server: ContractServer, method: str
    ) -> None:
        server.throttle(PAUSE_S)

        for _ in range(2):
            with pytest.raises(ProviderThrottled) as raised:
                METHODS[method](server)
            assert raised.value.retry_after_s == pytest.approx(PAUSE_S, abs=2)
            requests = server.provider.used_quota_units
        assert server.provider.remaining_provider_pause_s == pytest.approx(PAUSE_S, abs=2)
        server.recover()
        with pytest.raises(ProviderThrottled):
            METHODS[method](server)
        assert server.provider.used_quota_units == requests, "nothing is sent during the pause"

    @each_method
    def test_an_outage_is_an_outage_and_changes_nothing(
        self, server: ContractServer, replica: Replica, method: str
    ) -> None:
        server.fail()

        with pytest.raises(ProviderUnavailable):
            METHODS[method](server)

        server.recover()
        replica.read_on()
        assert replica.shows_the_mailbox()

    @each_method
    @pytest.mark.usefixtures("mail")
    def test_a_token_that_is_withdrawn_is_replaced_once(
        self, server: ContractServer, method: str
    ) -> None:
        server.withdraw_token()

        METHODS[method](server)

        assert server.access.renewed == 1

    @each_method
    @pytest.mark.usefixtures("mail")
    def test_a_token_that_is_refused_whatever_it_is_closes_no_account(
        self, server: ContractServer, method: str
    ) -> None:
        server.withdraw_token(for_ever=True)

        with pytest.raises(self.REFUSED_TOKEN):
            METHODS[method](server)
        assert 1 <= server.access.renewed <= 2

    @pytest.mark.parametrize("method", [each for each in METHODS if each != "fetch_messages"])
    @pytest.mark.parametrize("how", ["another protocol", "half an answer", "cut off", "closed"])
    def test_what_is_no_answer_is_an_outage_and_deletes_nothing(
        self, server: ContractServer, replica: Replica, method: str, how: Malformation
    ) -> None:
        server.malform(how)

        with pytest.raises(ProviderUnavailable):
            METHODS[method](server)

        server.recover()
        replica.read_on()
        replica.compare_ids()
        assert replica.shows_the_mailbox()
