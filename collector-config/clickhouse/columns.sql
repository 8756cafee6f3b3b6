-- Columns of their own for what keytrail's questions look for, on the table of the Collector's
-- ClickHouse exporter. Optional: every question is answered without them, only slower. The exporter
-- names the columns that it inserts, so these fill themselves; SELECT * does not show them.
-- Above some 100,000 keys a day, String serves the hash better than LowCardinality(String).
ALTER TABLE otel_traces ADD COLUMN IF NOT EXISTS KeytrailKeyHash LowCardinality(String)
    MATERIALIZED SpanAttributes['keytrail.key.hash'];
ALTER TABLE otel_traces ADD COLUMN IF NOT EXISTS KeytrailOutcome LowCardinality(String)
    MATERIALIZED SpanAttributes['keytrail.outcome'];
ALTER TABLE otel_traces ADD COLUMN IF NOT EXISTS KeytrailClient LowCardinality(String)
    MATERIALIZED SpanAttributes['client.address'];
ALTER TABLE otel_traces ADD INDEX IF NOT EXISTS keytrail_key_hash KeytrailKeyHash
    TYPE bloom_filter(0.001) GRANULARITY 1;
ALTER TABLE otel_traces MATERIALIZE COLUMN KeytrailKeyHash;
ALTER TABLE otel_traces MATERIALIZE COLUMN KeytrailOutcome;
ALTER TABLE otel_traces MATERIALIZE COLUMN KeytrailClient;
ALTER TABLE otel_traces MATERIALIZE INDEX keytrail_key_hash;
