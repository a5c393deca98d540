"""The account id and region in local ARNs, and functions that build and parse ARNs."""

AWS_ACCOUNT_ID = "123456789012"
AWS_REGION = "eu-west-1"


def function_arn(name: str) -> str:
    return f"arn:aws:lambda:{AWS_REGION}:{AWS_ACCOUNT_ID}:function:{name}"


def function_name_from_arn_or_name(reference: str) -> str:
    """Return the function's name from its ARN, partial ARN or name, without version or alias.

    Source: AWS Lambda API Reference, Invoke, FunctionName.
    """
    _, found, rest = reference.rpartition("function:")
    return (rest if found else reference).split(":")[0]
