"""Call AWS services that speak JSON, and sign requests to AWS, without botocore.

Almost every cold start reads a secret. To import boto3 and make one client takes more CPU than all
other imports of a function together (docs/performance.md, "Cold start"), and the functions use six
operations of three services. `client` calls them, `signature` signs as botocore does. Functions
that are rarely started cold use boto3.
"""
