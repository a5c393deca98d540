"""A kit of Gmail that has notifications and no mailboxes, for tests of sign-ins and pushes."""

from mailsync.providers.gmail.push_kit import GmailPushKit


class StandIn:
    push_kit = GmailPushKit()


KIT = StandIn()
