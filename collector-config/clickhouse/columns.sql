-- Columns of their own for what keytrail's questions look for, on the table of the Collector's
-- ClickHouse exporter, and three projections: the uses by key and by client, for leak, and sums by
-- key, for keys. A table that has an older version of this gets what it lacks: run it again.
-- Optional: every question is answered without them, only slower. Each statement may be run again,
-- alone, or left out, and while spans arrive: what is not there is read from the spans.
-- The exporter names the columns that it inserts, so these fill themselves; SELECT * does not show
-- them. A projection is a part of its table: what is dropped, deleted or expires there, goes here.
-- Above some 100,000 keys a day, String serves the hash better than LowCardinality(String).
ALTER TABLE otel_traces
    ADD COLUMN IF NOT EXISTS KeytrailKeyHash LowCardinality(String)
        MATERIALIZED SpanAttributes['keytrail.key.hash'],
    ADD COLUMN IF NOT EXISTS KeytrailPreviousHash LowCardinality(String)
        MATERIALIZED SpanAttributes['keytrail.key.previous_hash'],
    ADD COLUMN IF NOT EXISTS KeytrailKeyId LowCardinality(String)
        MATERIALIZED SpanAttributes['keytrail.key.id'],
    ADD COLUMN IF NOT EXISTS KeytrailKeyName LowCardinality(String)
        MATERIALIZED SpanAttributes['keytrail.key.name'],
    ADD COLUMN IF NOT EXISTS KeytrailKeyOwner LowCardinality(String)
        MATERIALIZED SpanAttributes['keytrail.key.owner'],
    ADD COLUMN IF NOT EXISTS KeytrailKeyProvider LowCardinality(String)
        MATERIALIZED SpanAttributes['keytrail.key.provider'],
    ADD COLUMN IF NOT EXISTS KeytrailDirection LowCardinality(String)
        MATERIALIZED SpanAttributes['keytrail.direction'],
    ADD COLUMN IF NOT EXISTS KeytrailOutcome LowCardinality(String)
        MATERIALIZED SpanAttributes['keytrail.outcome'],
    ADD COLUMN IF NOT EXISTS KeytrailClient LowCardinality(String)
        MATERIALIZED multiIf(
            SpanAttributes['client.address'] != '', SpanAttributes['client.address'],
            SpanAttributes['http.client_ip'] != '', SpanAttributes['http.client_ip'],
            SpanAttributes['net.peer.ip'] != '', SpanAttributes['net.peer.ip'],
            SpanAttributes['network.peer.address']
        ),
    ADD COLUMN IF NOT EXISTS KeytrailRoute LowCardinality(String)
        MATERIALIZED SpanAttributes['http.route'],
    ADD COLUMN IF NOT EXISTS KeytrailPath String
        MATERIALIZED multiIf(
            SpanAttributes['url.path'] != '', SpanAttributes['url.path'],
            SpanAttributes['http.target'] != '', SpanAttributes['http.target'],
            SpanAttributes['http.path']
        ) CODEC(ZSTD(3));
-- What is alike in many uses, in one column: opening twenty of them takes longer than reading them.
ALTER TABLE otel_traces
    ADD COLUMN IF NOT EXISTS KeytrailRest LowCardinality(String)
        MATERIALIZED toJSONString(mapFilter((name, value) -> name IN (
            'keytrail.key.id', 'keytrail.key.name', 'keytrail.key.owner',
            'keytrail.key.environment', 'keytrail.key.provider', 'keytrail.direction',
            'http.request.method', 'http.method', 'http.route', 'server.address', 'net.peer.name',
            'http.host', 'net.host.name', 'http.response.status_code', 'http.status_code',
            'keytrail.outcome', 'keytrail.outcome_reason', 'error.type', 'user_agent.original',
            'http.user_agent', 'keytrail.key.location', 'keytrail.key.field', 'keytrail.key.scheme',
            'keytrail.findings', 'keytrail.sampled', 'keytrail.key.pepper_id',
            'keytrail.key.other_hashes', 'keytrail.redacted_hashes'
        ), SpanAttributes));
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
            JSONExtract(SpanAttributes['keytrail.key.other_hashes'], 'Array(String)'),
            JSONExtract(SpanAttributes['keytrail.redacted_hashes'], 'Array(String)'),
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
