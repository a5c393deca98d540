"""The requests of the product's client of Gmail are as Google describes them."""

from contextlib import closing

from localdev.mail.generate import generate_mail_items
from localdev.simulators import Simulators
from localdev.simulators.gmail.owner import GmailMailboxEditor
from tests.support.gmail_discovery import check_request
from tests.support.gmail_replica import GmailReplica, open_gmail
from tests.support.mail import a_mail


def test_every_parameter_exists_in_google_s_description(simulators: Simulators) -> None:
    mailbox = simulators.find_or_create_mailbox("requests@gmail.com")
    mailbox.import_mail_items(generate_mail_items(30, owner=mailbox.address, seed=5))
    with_thread = [a_mail("one thread", minutes=each) for each in range(4)]
    mailbox.import_mail_items(with_thread)
    with closing(open_gmail(simulators, mailbox)) as provider:
        replica = GmailReplica(provider)
        replica.read_on(limit=10)
        GmailMailboxEditor(mailbox).deliver_message(a_mail("news"))
        replica.read_on()
        replica.compared_states()

    records = simulators.service.log.records()

    for each in records:
        check_request(each.method, each.path, each.query)
    assert {each.method for each in records} == {"GET"}, "no batches, whose parts can fail alone"
    paths = {each.path.split("/")[5] for each in records}
    assert paths >= {"profile", "labels", "messages", "history"}
