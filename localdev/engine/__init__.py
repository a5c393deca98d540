"""Local stand-ins for AWS: Lambda, Step Functions, HTTP API, schedules, events and Postgres."""
