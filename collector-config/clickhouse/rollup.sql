-- Uses per key, hour, service and direction, for dashboards. The exporter delivers at least once, so
-- these counts may be a little high: keytrail's own questions read the spans instead.
-- Hours before the view was made are filled in by the last statement: run it once.
CREATE TABLE IF NOT EXISTS keytrail_hourly (
    KeyHash String,
    Hour DateTime,
    ServiceName LowCardinality(String),
    Direction LowCardinality(String),
    FirstUse SimpleAggregateFunction(min, DateTime64(9)),
    LastUse SimpleAggregateFunction(max, DateTime64(9)),
    Uses SimpleAggregateFunction(sum, UInt64),
    Errors SimpleAggregateFunction(sum, UInt64),
    Denials SimpleAggregateFunction(sum, UInt64),
    Clients AggregateFunction(uniq, String),
    Latency AggregateFunction(quantilesTDigest(0.5, 0.95, 0.99), UInt64)
) ENGINE = AggregatingMergeTree ORDER BY (KeyHash, Hour, ServiceName, Direction);

CREATE MATERIALIZED VIEW IF NOT EXISTS keytrail_hourly_fed TO keytrail_hourly AS
SELECT
    SpanAttributes['keytrail.key.hash'] AS KeyHash,
    toStartOfHour(Timestamp) AS Hour,
    ServiceName,
    SpanAttributes['keytrail.direction'] AS Direction,
    min(Timestamp) AS FirstUse,
    max(Timestamp) AS LastUse,
    count() AS Uses,
    countIf(SpanAttributes['keytrail.outcome'] = 'error') AS Errors,
    countIf(SpanAttributes['keytrail.outcome'] = 'denied') AS Denials,
    uniqState(SpanAttributes['client.address']) AS Clients,
    quantilesTDigestState(0.5, 0.95, 0.99)(Duration) AS Latency
FROM otel_traces
WHERE SpanAttributes['keytrail.schema_version'] = '1.0'
GROUP BY KeyHash, Hour, ServiceName, Direction;

INSERT INTO keytrail_hourly
SELECT
    SpanAttributes['keytrail.key.hash'] AS KeyHash,
    toStartOfHour(Timestamp) AS Hour,
    ServiceName,
    SpanAttributes['keytrail.direction'] AS Direction,
    min(Timestamp),
    max(Timestamp),
    count(),
    countIf(SpanAttributes['keytrail.outcome'] = 'error'),
    countIf(SpanAttributes['keytrail.outcome'] = 'denied'),
    uniqState(SpanAttributes['client.address']),
    quantilesTDigestState(0.5, 0.95, 0.99)(Duration)
FROM otel_traces
WHERE SpanAttributes['keytrail.schema_version'] = '1.0'
    AND Timestamp < (
        SELECT metadata_modification_time FROM system.tables
        WHERE database = currentDatabase() AND name = 'keytrail_hourly_fed'
    )
GROUP BY KeyHash, Hour, ServiceName, Direction;
