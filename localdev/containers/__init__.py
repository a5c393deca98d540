"""Run the deployed functions in containers (`make sam`). Needs Docker and the SAM CLI."""
