-- Takes back what columns.sql did; no span is touched, and every question is answered before, after
-- and in between. Each statement may be run again, and while spans arrive. Files go away in the
-- background: system.mutations says when they are gone.
ALTER TABLE otel_traces DROP PROJECTION IF EXISTS keytrail_by_key;
ALTER TABLE otel_traces DROP PROJECTION IF EXISTS keytrail_by_client;
ALTER TABLE otel_traces DROP PROJECTION IF EXISTS keytrail_keys;
ALTER TABLE otel_traces DROP INDEX IF EXISTS keytrail_other_keys;
ALTER TABLE otel_traces
    DROP COLUMN IF EXISTS KeytrailOtherKeys, DROP COLUMN IF EXISTS KeytrailClientNumber,
    DROP COLUMN IF EXISTS KeytrailSpan, DROP COLUMN IF EXISTS KeytrailRest,
    DROP COLUMN IF EXISTS KeytrailPath, DROP COLUMN IF EXISTS KeytrailRoute,
    DROP COLUMN IF EXISTS KeytrailClient, DROP COLUMN IF EXISTS KeytrailOutcome,
    DROP COLUMN IF EXISTS KeytrailDirection, DROP COLUMN IF EXISTS KeytrailKeyProvider,
    DROP COLUMN IF EXISTS KeytrailKeyOwner, DROP COLUMN IF EXISTS KeytrailKeyName,
    DROP COLUMN IF EXISTS KeytrailKeyId, DROP COLUMN IF EXISTS KeytrailPreviousHash,
    DROP COLUMN IF EXISTS KeytrailKeyHash;
ALTER TABLE otel_traces RESET SETTING lightweight_mutation_projection_mode;
