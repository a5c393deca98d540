"""The exception for everything that ends a deployment."""


class DeploymentFailed(Exception):
    """The deployment ended.

    The message says, in a sentence for the operator, what is wrong and what to do.
    """
