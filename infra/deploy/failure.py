"""Define the exception that ends a deployment."""


class DeploymentFailed(Exception):
    """Raised if a deployment cannot go on. The message tells the operator what is wrong and what
    to do."""
