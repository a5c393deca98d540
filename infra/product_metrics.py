"""The product's own metrics as CDK knows them; what they are, `mailsync.metrics` says."""

from collections.abc import Iterable

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch

from infra.settings import StageSettings
from mailsync.metrics import NAMESPACE, RUNS_FAILED, Metric


class ProductMetrics:
    """Those of one stage."""

    def __init__(self, stage: StageSettings) -> None:
        self._service = stage.service

    def of(self, metric: Metric, period: cdk.Duration) -> cloudwatch.Metric:
        """What was told of it in the period: the highest of a level, else the sum."""
        return self._told(metric, period, {})

    def failed(self, error: str, period: cdk.Duration) -> cloudwatch.Metric:
        """Runs that failed under that name."""
        return self._told(RUNS_FAILED, period, {"error": error}, label=error)

    def failed_of(self, errors: Iterable[str], period: cdk.Duration) -> cloudwatch.MathExpression:
        """Runs that failed under any of these names, at most ten."""
        named = {
            f"m{place}": self.failed(error, period) for place, error in enumerate(sorted(errors))
        }
        return cloudwatch.MathExpression(
            expression=" + ".join(f"FILL({each}, 0)" for each in named),
            using_metrics=named,
            period=period,
            label="failed runs",
        )

    def share(
        self, part: Metric, whole: Metric, *, of_at_least: int, period: cdk.Duration
    ) -> cloudwatch.MathExpression:
        """`part` in percent of `whole`; 0 where there is less of the whole than `of_at_least`."""
        return cloudwatch.MathExpression(
            expression=f"IF(whole >= {of_at_least}, 100 * FILL(part, 0) / whole, 0)",
            using_metrics={"part": self.of(part, period), "whole": self.of(whole, period)},
            period=period,
            label=f"{part.name}, percent of {whole.name}",
        )

    def _told(
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
            statistic="Maximum" if metric.is_level else "Sum",
            period=period,
            label=label or metric.name,
        )
