"""Define the errors of calls to AWS."""


class AwsError(Exception):
    """The base class of the errors of calls to AWS. The error message contains no parameter of the
    call, because a parameter can be secret.

    code: AWS's name of the error. If AWS did not answer: a short name of the reason, such as the
        class name of the Python exception.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class AwsRejected(AwsError):
    """AWS answered the call with an error. The client has already retried errors that are often
    temporary: throttling and 5xx statuses."""


class AwsUnavailable(AwsError):
    """The call could not be sent to AWS, or no complete answer arrived, even after retries. In the
    second case AWS may have executed the call."""
