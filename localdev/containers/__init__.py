"""The functions as they are deployed, in containers: `make sam`. Needs Docker and the SAM CLI."""
