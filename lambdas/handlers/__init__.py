"""Entry points of the Lambda functions: one module per state, route group, schedule or event."""
