"""Local replacements for AWS services: Lambda, Step Functions, HTTP API, schedules, events and
Postgres."""
