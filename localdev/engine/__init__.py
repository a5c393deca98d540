"""Replace AWS on this machine: Lambda, Step Functions, HTTP API, schedules, events and Postgres."""
