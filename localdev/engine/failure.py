"""Why the local stack could not start, said in one sentence to the person who started it."""


class StartFailed(Exception):
    """The message is shown as it is; it names what is wrong and the option that helps."""
