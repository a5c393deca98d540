"""Entry points of the Lambda functions: one module for each workflow state, group of routes,
schedule or event."""

import gc

# What imports leave in memory is no garbage, and to search it took a tenth of each cold start. A
# page of messages is freed without the collector, so few cycles wait for it.
gc.set_threshold(50_000, 10, 10)
