"""Entry points of the Lambda functions: one module for each workflow state, group of routes,
schedule or event."""

import gc

# With Python's default thresholds, the cyclic garbage collector takes a tenth of each cold start
# and finds no garbage among the imported objects. Reference counting frees the messages of a page,
# so few reference cycles accumulate.
gc.set_threshold(50_000, 10, 10)
