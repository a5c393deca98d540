"""Do the work of the workflow's states and of checks: connect the mail provider, the decisions and
the stores."""
