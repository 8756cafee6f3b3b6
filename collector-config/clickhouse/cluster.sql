-- The same on a cluster: 'audit' is the cluster's name in system.clusters. Spans of one trace lie on
-- one shard, so that both ends of a call are found by one. Point the exporter at otel_traces with
-- create_schema: false, and keytrail at the same table: clickhouse://host/keytrail?table=otel_traces.
-- What an older version of this lacks, columns.sql adds: with keytrail.otel_traces_local ON CLUSTER
-- audit for otel_traces. Then drop keytrail.otel_traces ON CLUSTER audit, which holds no span itself,
-- and make it again by the last statement.
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
    KeytrailKeyHash LowCardinality(String)
    MATERIALIZED SpanAttributes['keytrail.key.hash'],
    KeytrailPreviousHash LowCardinality(String)
    MATERIALIZED SpanAttributes['keytrail.key.previous_hash'],
    KeytrailKeyId LowCardinality(String)
    MATERIALIZED SpanAttributes['keytrail.key.id'],
    KeytrailKeyName LowCardinality(String)
    MATERIALIZED SpanAttributes['keytrail.key.name'],
    KeytrailKeyOwner LowCardinality(String)
    MATERIALIZED SpanAttributes['keytrail.key.owner'],
    KeytrailKeyProvider LowCardinality(String)
    MATERIALIZED SpanAttributes['keytrail.key.provider'],
    KeytrailDirection LowCardinality(String)
    MATERIALIZED SpanAttributes['keytrail.direction'],
    KeytrailOutcome LowCardinality(String)
    MATERIALIZED SpanAttributes['keytrail.outcome'],
    KeytrailClient LowCardinality(String)
    MATERIALIZED multiIf(
        SpanAttributes['client.address'] != '', SpanAttributes['client.address'],
        SpanAttributes['http.client_ip'] != '', SpanAttributes['http.client_ip'],
        SpanAttributes['net.peer.ip'] != '', SpanAttributes['net.peer.ip'],
        SpanAttributes['network.peer.address']
    ),
    KeytrailRoute LowCardinality(String)
    MATERIALIZED SpanAttributes['http.route'],
    KeytrailPath String
    MATERIALIZED multiIf(
        SpanAttributes['url.path'] != '', SpanAttributes['url.path'],
        SpanAttributes['http.target'] != '', SpanAttributes['http.target'],
        SpanAttributes['http.path']
    ) CODEC(ZSTD(3)),
    KeytrailRest LowCardinality(String)
    MATERIALIZED toJSONString(mapFilter((name, value) -> name IN (
        'keytrail.key.id', 'keytrail.key.name', 'keytrail.key.owner',
        'keytrail.key.environment', 'keytrail.key.provider', 'keytrail.direction',
        'http.request.method', 'http.method', 'http.route', 'server.address', 'net.peer.name',
        'http.host', 'net.host.name', 'http.response.status_code', 'http.status_code',
        'keytrail.outcome', 'keytrail.outcome_reason', 'error.type', 'user_agent.original',
        'http.user_agent', 'keytrail.key.location', 'keytrail.key.field', 'keytrail.key.scheme',
        'keytrail.findings', 'keytrail.sampled', 'keytrail.key.pepper_id',
        'keytrail.key.other_hashes', 'keytrail.redacted_hashes'
    ), SpanAttributes)),
    KeytrailSpan UInt64 MATERIALIZED cityHash64(TraceId, SpanId),
    KeytrailClientNumber UInt32
    MATERIALIZED if(
        IPv4NumToString(IPv4StringToNumOrDefault(KeytrailClient)) = KeytrailClient,
        toUInt32(IPv4StringToNumOrDefault(KeytrailClient)), 0
    ),
    KeytrailOtherKeys Array(LowCardinality(String))
    MATERIALIZED arrayConcat(
        JSONExtract(SpanAttributes['keytrail.key.other_hashes'], 'Array(String)'),
        JSONExtract(SpanAttributes['keytrail.redacted_hashes'], 'Array(String)'),
        arrayFilter(text -> length(text) = 64, [KeytrailPreviousHash, KeytrailKeyId])
    ),
    INDEX keytrail_other_keys KeytrailOtherKeys TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX idx_trace_id TraceId TYPE bloom_filter(0.001) GRANULARITY 1,
    PROJECTION keytrail_by_key (
        SELECT
            Timestamp, TraceId, SpanId, ParentSpanId, ServiceName, Duration, KeytrailKeyHash,
            KeytrailPreviousHash, KeytrailKeyId, KeytrailKeyName, KeytrailKeyOwner, KeytrailKeyProvider,
            KeytrailDirection, KeytrailOutcome, KeytrailClient, KeytrailRoute, KeytrailPath,
            KeytrailRest, KeytrailSpan, KeytrailClientNumber
        ORDER BY KeytrailKeyHash, Timestamp
    ) WITH SETTINGS (index_granularity = 2048, min_bytes_for_wide_part = 1000000000000),
    -- Leave this one out where the server does not know WITH SETTINGS here (an error of its syntax),
    -- and of the one above leave that away.
    PROJECTION keytrail_by_client (
        SELECT
            Timestamp, ServiceName, KeytrailKeyHash, KeytrailOutcome, KeytrailClient, KeytrailRest,
            KeytrailSpan
        ORDER BY KeytrailClient, Timestamp
    ) WITH SETTINGS (index_granularity = 1024),
    PROJECTION keytrail_keys (
        SELECT
            KeytrailKeyHash, KeytrailDirection, KeytrailKeyId, KeytrailPreviousHash,
            KeytrailOutcome != '',
            argMax(nullIf(KeytrailKeyId, ''), toUnixTimestamp64Nano(Timestamp)),
            argMax(nullIf(KeytrailKeyName, ''), toUnixTimestamp64Nano(Timestamp)),
            argMax(nullIf(KeytrailKeyOwner, ''), toUnixTimestamp64Nano(Timestamp)),
            argMax(nullIf(KeytrailKeyProvider, ''), toUnixTimestamp64Nano(Timestamp)),
            argMax(nullIf(KeytrailPreviousHash, ''), toUnixTimestamp64Nano(Timestamp)),
            min(toUnixTimestamp64Nano(Timestamp)),
            max(toUnixTimestamp64Nano(Timestamp)),
            count(),
            countIf(nullIf(KeytrailOutcome, '') = 'error'),
            countIf(nullIf(KeytrailOutcome, '') = 'denied'),
            countIf(nullIf(KeytrailOutcome, '') = 'rate_limited'),
            uniqExact(if(KeytrailClientNumber = 0, nullIf(KeytrailClient, ''), NULL)),
            groupBitmapIf(KeytrailClientNumber, KeytrailClientNumber != 0),
            uniqExact(nullIf(toString(ServiceName), '')),
            uniqExact(nullIf(KeytrailRoute, ''))
        GROUP BY
            KeytrailKeyHash, KeytrailDirection, KeytrailKeyId, KeytrailPreviousHash,
            KeytrailOutcome != ''
    )
) ENGINE = ReplicatedMergeTree('/clickhouse/tables/{shard}/keytrail/otel_traces', '{replica}')
PARTITION BY toDate(Timestamp)
ORDER BY (ServiceName, SpanName, toDateTime(Timestamp))
TTL toDateTime(Timestamp) + INTERVAL 400 DAY
SETTINGS lightweight_mutation_projection_mode = 'rebuild';

CREATE TABLE IF NOT EXISTS keytrail.otel_traces ON CLUSTER audit AS keytrail.otel_traces_local
ENGINE = Distributed('audit', 'keytrail', 'otel_traces_local', cityHash64(TraceId));
