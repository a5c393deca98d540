"""Why the local stack could not start, in one sentence for the person who started it."""


class StartFailed(Exception):
    """The message is shown as it is; it names what is wrong and the option that helps."""
