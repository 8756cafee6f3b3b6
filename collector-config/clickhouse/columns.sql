-- Columns of their own for what keytrail's questions look for, on the table of the Collector's
-- ClickHouse exporter. Optional: every question is answered without them, only slower. The exporter
-- names the columns that it inserts, so these fill themselves; SELECT * does not show them.
-- Above some 100,000 keys a day, String serves the hash better than LowCardinality(String).
ALTER TABLE otel_traces ADD COLUMN IF NOT EXISTS KeytrailKeyHash LowCardinality(String)
    MATERIALIZED SpanAttributes['keytrail.key.hash'];
ALTER TABLE otel_traces ADD COLUMN IF NOT EXISTS KeytrailKeyId LowCardinality(String)
    MATERIALIZED SpanAttributes['keytrail.key.id'];
ALTER TABLE otel_traces ADD COLUMN IF NOT EXISTS KeytrailKeyName LowCardinality(String)
    MATERIALIZED SpanAttributes['keytrail.key.name'];
ALTER TABLE otel_traces ADD COLUMN IF NOT EXISTS KeytrailKeyOwner LowCardinality(String)
    MATERIALIZED SpanAttributes['keytrail.key.owner'];
ALTER TABLE otel_traces ADD COLUMN IF NOT EXISTS KeytrailKeyProvider LowCardinality(String)
    MATERIALIZED SpanAttributes['keytrail.key.provider'];
ALTER TABLE otel_traces ADD COLUMN IF NOT EXISTS KeytrailDirection LowCardinality(String)
    MATERIALIZED SpanAttributes['keytrail.direction'];
ALTER TABLE otel_traces ADD COLUMN IF NOT EXISTS KeytrailOutcome LowCardinality(String)
    MATERIALIZED SpanAttributes['keytrail.outcome'];
ALTER TABLE otel_traces ADD COLUMN IF NOT EXISTS KeytrailClient LowCardinality(String)
    MATERIALIZED multiIf(
        SpanAttributes['client.address'] != '', SpanAttributes['client.address'],
        SpanAttributes['http.client_ip'] != '', SpanAttributes['http.client_ip'],
        SpanAttributes['net.peer.ip'] != '', SpanAttributes['net.peer.ip'],
        SpanAttributes['network.peer.address']
    );
ALTER TABLE otel_traces ADD COLUMN IF NOT EXISTS KeytrailRoute LowCardinality(String)
    MATERIALIZED SpanAttributes['http.route'];
ALTER TABLE otel_traces ADD INDEX IF NOT EXISTS keytrail_key_hash KeytrailKeyHash
    TYPE bloom_filter(0.001) GRANULARITY 1;
ALTER TABLE otel_traces MATERIALIZE COLUMN KeytrailKeyHash;
ALTER TABLE otel_traces MATERIALIZE COLUMN KeytrailKeyId;
ALTER TABLE otel_traces MATERIALIZE COLUMN KeytrailKeyName;
ALTER TABLE otel_traces MATERIALIZE COLUMN KeytrailKeyOwner;
ALTER TABLE otel_traces MATERIALIZE COLUMN KeytrailKeyProvider;
ALTER TABLE otel_traces MATERIALIZE COLUMN KeytrailDirection;
ALTER TABLE otel_traces MATERIALIZE COLUMN KeytrailOutcome;
ALTER TABLE otel_traces MATERIALIZE COLUMN KeytrailClient;
ALTER TABLE otel_traces MATERIALIZE COLUMN KeytrailRoute;
ALTER TABLE otel_traces MATERIALIZE INDEX keytrail_key_hash;
