"""The work of the workflow's states and of checks: it connects the provider, the decisions and the
stores."""
