"""The exception for everything that prevents the start of the local stack."""


class StartFailed(Exception):
    """The local stack could not start.

    The message is one sentence for the user: what is wrong, and the option that helps.
    """
