"""List prices of AWS in us-east-1; the sources are those that `benchmarks.cost` names."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Prices:
    """List prices in US dollars.

    transition: a state transition of Step Functions.
    free_transitions: state transitions that each AWS account has free in a month.
    invocation, gb_s: a Lambda invocation, and a second of 1 GB.
    log_gb: a GB of ingested logs.
    scheduler_call: an invocation by EventBridge Scheduler.
    api_request: a request to an HTTP API.
    event: an event that is put on a bus of EventBridge.
    trace, free_traces: a trace that X-Ray records, and those that each AWS account has free in a
        month.
    key, secret, dashboard, metric, alarm_metric: a month of each; of a key after two rotations.
    nat_gateway, public_address, proxy_acu, aurora_acu: an hour of each.
    """

    transition: float = 25 / 1e6
    free_transitions: int = 4_000
    invocation: float = 0.20 / 1e6
    gb_s: float = 0.0000133334  # arm64
    log_gb: float = 0.50
    scheduler_call: float = 1 / 1e6
    api_request: float = 1 / 1e6
    event: float = 1 / 1e6
    trace: float = 5 / 1e6
    free_traces: int = 100_000
    key: float = 3
    secret: float = 0.40
    dashboard: float = 3
    metric: float = 0.30
    alarm_metric: float = 0.10
    nat_gateway: float = 0.045
    public_address: float = 0.005
    proxy_acu: float = 0.015
    aurora_acu: float = 0.12
