-- columns.sql for a table whose attributes are JSON (json: true in the exporter): the same columns and
-- projections, each of which may be run again, alone, or left out. Put your table's name for
-- otel_traces.
ALTER TABLE otel_traces
    ADD COLUMN IF NOT EXISTS KeytrailKeyHash LowCardinality(String)
        MATERIALIZED ifNull(toString(SpanAttributes.`keytrail.key.hash`), ''),
    ADD COLUMN IF NOT EXISTS KeytrailPreviousHash LowCardinality(String)
        MATERIALIZED ifNull(toString(SpanAttributes.`keytrail.key.previous_hash`), ''),
    ADD COLUMN IF NOT EXISTS KeytrailKeyId LowCardinality(String)
        MATERIALIZED ifNull(toString(SpanAttributes.`keytrail.key.id`), ''),
    ADD COLUMN IF NOT EXISTS KeytrailKeyName LowCardinality(String)
        MATERIALIZED ifNull(toString(SpanAttributes.`keytrail.key.name`), ''),
    ADD COLUMN IF NOT EXISTS KeytrailKeyOwner LowCardinality(String)
        MATERIALIZED ifNull(toString(SpanAttributes.`keytrail.key.owner`), ''),
    ADD COLUMN IF NOT EXISTS KeytrailKeyProvider LowCardinality(String)
        MATERIALIZED ifNull(toString(SpanAttributes.`keytrail.key.provider`), ''),
    ADD COLUMN IF NOT EXISTS KeytrailDirection LowCardinality(String)
        MATERIALIZED ifNull(toString(SpanAttributes.`keytrail.direction`), ''),
    ADD COLUMN IF NOT EXISTS KeytrailOutcome LowCardinality(String)
        MATERIALIZED ifNull(toString(SpanAttributes.`keytrail.outcome`), ''),
    ADD COLUMN IF NOT EXISTS KeytrailClient LowCardinality(String)
        MATERIALIZED coalesce(
            nullIf(toString(SpanAttributes.`client.address`), ''),
            nullIf(toString(SpanAttributes.`http.client_ip`), ''),
            nullIf(toString(SpanAttributes.`net.peer.ip`), ''),
            nullIf(toString(SpanAttributes.`network.peer.address`), ''),
            ''
        ),
    ADD COLUMN IF NOT EXISTS KeytrailRoute LowCardinality(String)
        MATERIALIZED ifNull(toString(SpanAttributes.`http.route`), ''),
    ADD COLUMN IF NOT EXISTS KeytrailPath String
        MATERIALIZED coalesce(
            nullIf(toString(SpanAttributes.`url.path`), ''),
            nullIf(toString(SpanAttributes.`http.target`), ''),
            nullIf(toString(SpanAttributes.`http.path`), ''),
            ''
        ) CODEC(ZSTD(3));
-- What is alike in many uses, in one column: opening twenty of them takes longer than reading them.
ALTER TABLE otel_traces
    ADD COLUMN IF NOT EXISTS KeytrailRest LowCardinality(String)
        MATERIALIZED toJSONString(mapFilter((name, value) -> value != '', map(
            'keytrail.key.id', ifNull(toString(SpanAttributes.`keytrail.key.id`), ''),
            'keytrail.key.name', ifNull(toString(SpanAttributes.`keytrail.key.name`), ''),
            'keytrail.key.owner', ifNull(toString(SpanAttributes.`keytrail.key.owner`), ''),
            'keytrail.key.environment',
            ifNull(toString(SpanAttributes.`keytrail.key.environment`), ''),
            'keytrail.key.provider', ifNull(toString(SpanAttributes.`keytrail.key.provider`), ''),
            'keytrail.direction', ifNull(toString(SpanAttributes.`keytrail.direction`), ''),
            'http.request.method', ifNull(toString(SpanAttributes.`http.request.method`), ''),
            'http.method', ifNull(toString(SpanAttributes.`http.method`), ''),
            'http.route', ifNull(toString(SpanAttributes.`http.route`), ''),
            'server.address', ifNull(toString(SpanAttributes.`server.address`), ''),
            'net.peer.name', ifNull(toString(SpanAttributes.`net.peer.name`), ''),
            'http.host', ifNull(toString(SpanAttributes.`http.host`), ''),
            'net.host.name', ifNull(toString(SpanAttributes.`net.host.name`), ''),
            'http.response.status_code',
            ifNull(toString(SpanAttributes.`http.response.status_code`), ''),
            'http.status_code', ifNull(toString(SpanAttributes.`http.status_code`), ''),
            'keytrail.outcome', ifNull(toString(SpanAttributes.`keytrail.outcome`), ''),
            'keytrail.outcome_reason',
            ifNull(toString(SpanAttributes.`keytrail.outcome_reason`), ''),
            'error.type', ifNull(toString(SpanAttributes.`error.type`), ''),
            'user_agent.original', ifNull(toString(SpanAttributes.`user_agent.original`), ''),
            'http.user_agent', ifNull(toString(SpanAttributes.`http.user_agent`), ''),
            'keytrail.key.location', ifNull(toString(SpanAttributes.`keytrail.key.location`), ''),
            'keytrail.key.field', ifNull(toString(SpanAttributes.`keytrail.key.field`), ''),
            'keytrail.key.scheme', ifNull(toString(SpanAttributes.`keytrail.key.scheme`), ''),
            'keytrail.findings',
            ifNull(nullIf(toJSONString(SpanAttributes.`keytrail.findings`), 'null'), ''),
            'keytrail.sampled', ifNull(toString(SpanAttributes.`keytrail.sampled`), ''),
            'keytrail.key.pepper_id',
            ifNull(toString(SpanAttributes.`keytrail.key.pepper_id`), ''),
            'keytrail.key.other_hashes',
            ifNull(nullIf(toJSONString(SpanAttributes.`keytrail.key.other_hashes`), 'null'), ''),
            'keytrail.redacted_hashes',
            ifNull(nullIf(toJSONString(SpanAttributes.`keytrail.redacted_hashes`), 'null'), '')
        )));
-- A number for the span, by which one that was delivered twice is found, and one for an IPv4 client
-- in its usual form, by which clients are counted; others have 0 and are counted by their text.
ALTER TABLE otel_traces
    ADD COLUMN IF NOT EXISTS KeytrailSpan UInt64 MATERIALIZED cityHash64(TraceId, SpanId),
    ADD COLUMN IF NOT EXISTS KeytrailClientNumber UInt32
        MATERIALIZED if(
            IPv4NumToString(IPv4StringToNumOrDefault(KeytrailClient)) = KeytrailClient,
            toUInt32(IPv4StringToNumOrDefault(KeytrailClient)), 0
        );
-- The keys that a span names beside its own: presented with it, redacted from it, or its own under the
-- pepper before; and a public id that looks like one. Nearly always none, so that the index leaves next to
-- nothing to read.
ALTER TABLE otel_traces
    ADD COLUMN IF NOT EXISTS KeytrailOtherKeys Array(LowCardinality(String))
        MATERIALIZED arrayConcat(
            JSONExtract(
                ifNull(toJSONString(SpanAttributes.`keytrail.key.other_hashes`), ''), 'Array(String)'
            ),
            JSONExtract(
                ifNull(toJSONString(SpanAttributes.`keytrail.redacted_hashes`), ''), 'Array(String)'
            ),
            arrayFilter(text -> length(text) = 64, [KeytrailPreviousHash, KeytrailKeyId])
        ),
    ADD INDEX IF NOT EXISTS keytrail_other_keys KeytrailOtherKeys TYPE bloom_filter(0.001) GRANULARITY 1;
-- From 24.7 on: DELETE FROM stays possible where there are projections.
ALTER TABLE otel_traces MODIFY SETTING lightweight_mutation_projection_mode = 'rebuild';
-- All columns in one file, so that a key's uses in a part are read at once, not by forty files. Where the
-- server does not know WITH SETTINGS here (an error of its syntax), leave that away: it takes twice as long.
ALTER TABLE otel_traces ADD PROJECTION IF NOT EXISTS keytrail_by_key (
    SELECT
        Timestamp, TraceId, SpanId, ParentSpanId, ServiceName, Duration, KeytrailKeyHash,
        KeytrailPreviousHash, KeytrailKeyId, KeytrailKeyName, KeytrailKeyOwner, KeytrailKeyProvider,
        KeytrailDirection, KeytrailOutcome, KeytrailClient, KeytrailRoute, KeytrailPath,
        KeytrailRest, KeytrailSpan, KeytrailClientNumber
    ORDER BY KeytrailKeyHash, Timestamp
) WITH SETTINGS (index_granularity = 2048, min_bytes_for_wide_part = 1000000000000);
-- Of a client there are few uses in a part, so that small granules are what makes it worth its space:
-- leave it out where the server does not know WITH SETTINGS.
ALTER TABLE otel_traces ADD PROJECTION IF NOT EXISTS keytrail_by_client (
    SELECT
        Timestamp, ServiceName, KeytrailKeyHash, KeytrailOutcome, KeytrailClient, KeytrailRest,
        KeytrailSpan
    ORDER BY KeytrailClient, Timestamp
) WITH SETTINGS (index_granularity = 1024);
-- The engine takes this one for a question that asks for these very expressions.
ALTER TABLE otel_traces ADD PROJECTION IF NOT EXISTS keytrail_keys (
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
);
-- What was there before. These run in the background: system.mutations says when they are done.
ALTER TABLE otel_traces
    MATERIALIZE COLUMN KeytrailKeyHash, MATERIALIZE COLUMN KeytrailPreviousHash,
    MATERIALIZE COLUMN KeytrailKeyId, MATERIALIZE COLUMN KeytrailKeyName,
    MATERIALIZE COLUMN KeytrailKeyOwner, MATERIALIZE COLUMN KeytrailKeyProvider,
    MATERIALIZE COLUMN KeytrailDirection, MATERIALIZE COLUMN KeytrailOutcome,
    MATERIALIZE COLUMN KeytrailClient, MATERIALIZE COLUMN KeytrailRoute,
    MATERIALIZE COLUMN KeytrailPath, MATERIALIZE COLUMN KeytrailRest,
    MATERIALIZE COLUMN KeytrailSpan, MATERIALIZE COLUMN KeytrailClientNumber,
    MATERIALIZE COLUMN KeytrailOtherKeys;
ALTER TABLE otel_traces MATERIALIZE INDEX keytrail_other_keys;
ALTER TABLE otel_traces MATERIALIZE PROJECTION keytrail_by_key;
ALTER TABLE otel_traces MATERIALIZE PROJECTION keytrail_by_client;
ALTER TABLE otel_traces MATERIALIZE PROJECTION keytrail_keys;
