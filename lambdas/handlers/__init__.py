"""Entry points of the Lambda functions: one module for each workflow state, group of routes,
schedule or event."""
