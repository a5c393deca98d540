"""What AWS is on one's own machine: Lambda, Step Functions, HTTP API, schedules and Postgres."""
