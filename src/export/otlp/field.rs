//! Numbers of fields, by message, of OpenTelemetry's protocol:
//! <https://github.com/open-telemetry/opentelemetry-proto/tree/v1.8.0/opentelemetry/proto>.
#![forbid(unsafe_code)]

/// `ExportMetricsServiceRequest`.
pub(super) mod request {
    pub(in super::super) const RESOURCE_METRICS: u32 = 1;
}
/// `ResourceMetrics`.
pub(super) mod resource_metrics {
    pub(in super::super) const RESOURCE: u32 = 1;
    pub(in super::super) const SCOPE_METRICS: u32 = 2;
}
/// `Resource`.
pub(super) mod resource {
    pub(in super::super) const ATTRIBUTES: u32 = 1;
}
/// `ScopeMetrics`.
pub(super) mod scope_metrics {
    pub(in super::super) const SCOPE: u32 = 1;
    pub(in super::super) const METRICS: u32 = 2;
}
/// `InstrumentationScope`.
pub(super) mod scope {
    pub(in super::super) const NAME: u32 = 1;
    pub(in super::super) const VERSION: u32 = 2;
}
/// `KeyValue`.
pub(super) mod attribute {
    pub(in super::super) const KEY: u32 = 1;
    pub(in super::super) const VALUE: u32 = 2;
}
/// `AnyValue`.
pub(super) mod value {
    pub(in super::super) const STRING: u32 = 1;
    pub(in super::super) const INT: u32 = 3;
}
/// `Metric`.
pub(super) mod metric {
    pub(in super::super) const NAME: u32 = 1;
    pub(in super::super) const DESCRIPTION: u32 = 2;
    pub(in super::super) const UNIT: u32 = 3;
    pub(in super::super) const GAUGE: u32 = 5;
    pub(in super::super) const SUM: u32 = 7;
    pub(in super::super) const EXPONENTIAL_HISTOGRAM: u32 = 10;
}
/// `Gauge`, `Sum`, `ExponentialHistogram`.
pub(super) mod points {
    pub(in super::super) const DATA_POINTS: u32 = 1;
    pub(in super::super) const TEMPORALITY: u32 = 2;
    pub(in super::super) const IS_MONOTONIC: u32 = 3;
}
/// `NumberDataPoint` and `ExponentialHistogramDataPoint`, what both have.
pub(super) mod point {
    pub(in super::super) const START_TIME: u32 = 2;
    pub(in super::super) const TIME: u32 = 3;
}
/// `NumberDataPoint`.
pub(super) mod number_point {
    pub(in super::super) const AS_DOUBLE: u32 = 4;
    pub(in super::super) const AS_INT: u32 = 6;
    pub(in super::super) const ATTRIBUTES: u32 = 7;
}
/// `ExponentialHistogramDataPoint`.
pub(super) mod exponential_point {
    pub(in super::super) const ATTRIBUTES: u32 = 1;
    pub(in super::super) const COUNT: u32 = 4;
    pub(in super::super) const SUM: u32 = 5;
    pub(in super::super) const SCALE: u32 = 6;
    pub(in super::super) const ZERO_COUNT: u32 = 7;
    pub(in super::super) const POSITIVE: u32 = 8;
    pub(in super::super) const MIN: u32 = 12;
    pub(in super::super) const MAX: u32 = 13;
    pub(in super::super) const ZERO_THRESHOLD: u32 = 14;
}
/// `ExponentialHistogramDataPoint.Buckets`.
pub(super) mod buckets {
    pub(in super::super) const OFFSET: u32 = 1;
    pub(in super::super) const COUNTS: u32 = 2;
}
/// `ExportMetricsServiceResponse`.
pub(super) mod response {
    pub(in super::super) const PARTIAL_SUCCESS: u32 = 1;
}
/// `ExportMetricsPartialSuccess`.
pub(super) mod partial_success {
    pub(in super::super) const REJECTED_DATA_POINTS: u32 = 1;
    pub(in super::super) const ERROR_MESSAGE: u32 = 2;
}
