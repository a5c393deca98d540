"""Call AWS services that speak JSON, and sign requests to AWS, without botocore.

Almost every cold start reads a secret. To import boto3 and make one client takes more CPU than all
other imports of a function together (docs/performance.md, "Cold start"). The functions use only six
operations of three services. The module `client` calls these operations, and the module `signature`
makes the same signatures as botocore. Functions that rarely have a cold start use boto3.
"""
