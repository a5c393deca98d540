"""Convert the product's own metrics (`mailsync.metrics`) to CDK's CloudWatch metrics, for alarms
and graphs."""

from collections.abc import Iterable

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch

from infra.settings import StageSettings
from mailsync.metrics import NAMESPACE, RUNS_FAILED, Metric
from mailsync.model import ProviderName


class CloudWatchMetricFactory:
    """Makes the CDK objects for the metrics that Mailsync's Lambda functions send to CloudWatch in
    one stage."""

    def __init__(self, stage: StageSettings) -> None:
        self._service = stage.metrics_service_dimension

    def cloudwatch_metric(self, metric: Metric, period: cdk.Duration) -> cloudwatch.Metric:
        """Return the CDK object for a metric of the product. The statistic is the sum in a period
        for a count of events, and the maximum for a gauge or a duration."""
        return self._build(metric, period, {})

    def failed_run_metric_of_error(self, error: str, period: cdk.Duration) -> cloudwatch.Metric:
        """Return the CloudWatch metric that counts the runs that failed with this error name."""
        return self._build(RUNS_FAILED, period, {"error": error}, label=error)

    def failed_run_metric_of_listed_errors(
        self, errors: Iterable[str], period: cdk.Duration
    ) -> cloudwatch.MathExpression:
        """Return a CloudWatch expression for the number of runs that failed with any of these error
        names.

        errors: at most ten names.
        """
        named = {
            f"m{place}": self.failed_run_metric_of_error(error, period)
            for place, error in enumerate(sorted(errors))
        }
        return cloudwatch.MathExpression(
            expression=" + ".join(f"FILL({each}, 0)" for each in named),
            using_metrics=named,
            period=period,
            label="failed runs",
        )

    def cloudwatch_metric_of_provider(
        self, metric: Metric, provider: ProviderName, period: cdk.Duration
    ) -> cloudwatch.Metric:
        """Return the CDK object for one mail provider's values of a product metric. The metric must
        have the dimension `provider`."""
        label = f"{metric.name} {provider}"
        return self._build(metric, period, {"provider": provider}, label=label)

    def percentage_metric_of_provider(
        self,
        part: Metric,
        whole: Metric,
        provider: ProviderName,
        *,
        of_at_least: int,
        period: cdk.Duration,
    ) -> cloudwatch.MathExpression:
        """Return a CloudWatch expression for the percentage that the metric `part` is of the metric
        `whole`, for one mail provider.

        of_at_least: minimum of `whole` in the period. Below this minimum the expression is 0, so
            that failures among a few requests raise no alarm.
        """
        return cloudwatch.MathExpression(
            expression=f"IF(whole >= {of_at_least}, 100 * FILL(part, 0) / whole, 0)",
            using_metrics={
                "part": self.cloudwatch_metric_of_provider(part, provider, period),
                "whole": self.cloudwatch_metric_of_provider(whole, provider, period),
            },
            period=period,
            label=f"{part.name}, percent of {whole.name}, {provider}",
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
            statistic="Sum" if metric.is_graphed_as_sum_per_period else "Maximum",
            period=period,
            label=label or metric.name,
        )
