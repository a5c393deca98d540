"""The account and region that stand in local ARNs, and the ARNs themselves."""

ACCOUNT = "123456789012"
REGION = "eu-west-1"


def function_arn(name: str) -> str:
    return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"


def function_name(reference: str) -> str:
    """Return the name in a function's ARN, partial ARN or name, without version or alias.

    Source: AWS Lambda API Reference, Invoke, FunctionName.
    """
    _, found, rest = reference.rpartition("function:")
    return (rest if found else reference).split(":")[0]
