"""The metrics of `mailsync.metrics` as CDK metrics."""

from collections.abc import Iterable

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch

from infra.settings import StageSettings
from mailsync.metrics import NAMESPACE, RUNS_FAILED, Metric


class ProductMetrics:
    """The product's metrics of one stage, as CloudWatch metrics of CDK."""

    def __init__(self, stage: StageSettings) -> None:
        self._service = stage.service

    def metric(self, metric: Metric, period: cdk.Duration) -> cloudwatch.Metric:
        """Return a product metric for CloudWatch: the maximum of a gauge in the period, else the
        sum."""
        return self._build(metric, period, {})

    def failed_runs(self, error: str, period: cdk.Duration) -> cloudwatch.Metric:
        """Return the number of runs that failed with this error name."""
        return self._build(RUNS_FAILED, period, {"error": error}, label=error)

    def failed_runs_of_any(
        self, errors: Iterable[str], period: cdk.Duration
    ) -> cloudwatch.MathExpression:
        """Return the number of runs that failed with one of these error names, at most ten."""
        named = {
            f"m{place}": self.failed_runs(error, period)
            for place, error in enumerate(sorted(errors))
        }
        return cloudwatch.MathExpression(
            expression=" + ".join(f"FILL({each}, 0)" for each in named),
            using_metrics=named,
            period=period,
            label="failed runs",
        )

    def percentage(
        self, part: Metric, whole: Metric, *, of_at_least: int, period: cdk.Duration
    ) -> cloudwatch.MathExpression:
        """Return a CloudWatch expression: `part` in percent of `whole`.

        of_at_least: minimum of `whole`; below it the percentage is 0.
        """
        return cloudwatch.MathExpression(
            expression=f"IF(whole >= {of_at_least}, 100 * FILL(part, 0) / whole, 0)",
            using_metrics={"part": self.metric(part, period), "whole": self.metric(whole, period)},
            period=period,
            label=f"{part.name}, percent of {whole.name}",
        )

    def _build(
        self,
        metric: Metric,
        period: cdk.Duration,
        dimensions: dict[str, str],
        label: str | None = None,
    ) -> cloudwatch.Metric:
        return cloudwatch.Metric(
            namespace=NAMESPACE,
            metric_name=metric.name,
            dimensions_map={"service": self._service, **dimensions},
            statistic="Maximum" if metric.is_gauge else "Sum",
            period=period,
            label=label or metric.name,
        )
