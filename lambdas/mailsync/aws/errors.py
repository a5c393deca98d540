"""Define the errors of calls to AWS."""


class AwsError(Exception):
    """The base class of the errors of calls to AWS. The text has no value of the call.

    code: AWS's name of the error, or the name of what went wrong on the way.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class AwsRejected(AwsError):
    """AWS answered with an error, also after retries if it may be over soon."""


class AwsUnavailable(AwsError):
    """AWS could not be asked, or did not answer, also after retries. It may have done the work."""
