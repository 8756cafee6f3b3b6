-- The same on a cluster: 'audit' is the cluster's name in system.clusters. Spans of one trace lie on
-- one shard, so that both ends of a call are found by one. Point the exporter at otel_traces with
-- create_schema: false, and keytrail at the same table: clickhouse://host/keytrail?table=otel_traces.
CREATE DATABASE IF NOT EXISTS keytrail ON CLUSTER audit;

CREATE TABLE IF NOT EXISTS keytrail.otel_traces_local ON CLUSTER audit (
    Timestamp DateTime64(9) CODEC(Delta, ZSTD(3)),
    TraceId String CODEC(ZSTD(3)),
    SpanId String CODEC(ZSTD(3)),
    ParentSpanId String CODEC(ZSTD(3)),
    TraceState String CODEC(ZSTD(3)),
    SpanName LowCardinality(String) CODEC(ZSTD(3)),
    SpanKind LowCardinality(String) CODEC(ZSTD(3)),
    ServiceName LowCardinality(String) CODEC(ZSTD(3)),
    ResourceAttributes Map(LowCardinality(String), String) CODEC(ZSTD(3)),
    ScopeName String CODEC(ZSTD(3)),
    ScopeVersion String CODEC(ZSTD(3)),
    SpanAttributes Map(LowCardinality(String), String) CODEC(ZSTD(3)),
    Duration UInt64 CODEC(ZSTD(3)),
    StatusCode LowCardinality(String) CODEC(ZSTD(3)),
    StatusMessage String CODEC(ZSTD(3)),
    Events Nested (
        Timestamp DateTime64(9),
        Name LowCardinality(String),
        Attributes Map(LowCardinality(String), String)
    ) CODEC(ZSTD(3)),
    Links Nested (
        TraceId String,
        SpanId String,
        TraceState String,
        Attributes Map(LowCardinality(String), String)
    ) CODEC(ZSTD(3)),
    KeytrailKeyHash LowCardinality(String) MATERIALIZED SpanAttributes['keytrail.key.hash'],
    KeytrailKeyId LowCardinality(String) MATERIALIZED SpanAttributes['keytrail.key.id'],
    KeytrailKeyName LowCardinality(String) MATERIALIZED SpanAttributes['keytrail.key.name'],
    KeytrailKeyOwner LowCardinality(String) MATERIALIZED SpanAttributes['keytrail.key.owner'],
    KeytrailKeyProvider LowCardinality(String) MATERIALIZED SpanAttributes['keytrail.key.provider'],
    KeytrailDirection LowCardinality(String) MATERIALIZED SpanAttributes['keytrail.direction'],
    KeytrailOutcome LowCardinality(String) MATERIALIZED SpanAttributes['keytrail.outcome'],
    KeytrailClient LowCardinality(String) MATERIALIZED multiIf(
        SpanAttributes['client.address'] != '', SpanAttributes['client.address'],
        SpanAttributes['http.client_ip'] != '', SpanAttributes['http.client_ip'],
        SpanAttributes['net.peer.ip'] != '', SpanAttributes['net.peer.ip'],
        SpanAttributes['network.peer.address']
    ),
    KeytrailRoute LowCardinality(String) MATERIALIZED SpanAttributes['http.route'],
    INDEX idx_trace_id TraceId TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX keytrail_key_hash KeytrailKeyHash TYPE bloom_filter(0.001) GRANULARITY 1
) ENGINE = ReplicatedMergeTree('/clickhouse/tables/{shard}/keytrail/otel_traces', '{replica}')
PARTITION BY toDate(Timestamp)
ORDER BY (ServiceName, SpanName, toDateTime(Timestamp))
TTL toDateTime(Timestamp) + INTERVAL 400 DAY;

CREATE TABLE IF NOT EXISTS keytrail.otel_traces ON CLUSTER audit AS keytrail.otel_traces_local
ENGINE = Distributed('audit', 'keytrail', 'otel_traces_local', cityHash64(TraceId));
