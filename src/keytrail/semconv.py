"""The attribute names that keytrail writes, once.

Other systems join on these names and value types; the table in ``docs/attributes.md`` gives the
values. What OpenTelemetry's semantic conventions already name is used from there, never renamed.
"""

from __future__ import annotations

import re
from typing import Final

SCHEMA: Final = "1.0"

SCHEMA_VERSION: Final = "keytrail.schema_version"
DIRECTION: Final = "keytrail.direction"
KEY_PRESENT: Final = "keytrail.key.present"
KEY_HASH: Final = "keytrail.key.hash"
KEY_PEPPER_ID: Final = "keytrail.key.pepper_id"
KEY_PREVIOUS_HASH: Final = "keytrail.key.previous_hash"
KEY_ID: Final = "keytrail.key.id"
KEY_NAME: Final = "keytrail.key.name"
KEY_OWNER: Final = "keytrail.key.owner"
KEY_ENVIRONMENT: Final = "keytrail.key.environment"
KEY_PROVIDER: Final = "keytrail.key.provider"
KEY_TYPE: Final = "keytrail.key.type"
KEY_LOCATION: Final = "keytrail.key.location"
KEY_FIELD: Final = "keytrail.key.field"
KEY_SCHEME: Final = "keytrail.key.scheme"
KEY_COUNT: Final = "keytrail.key.count"
KEY_OTHER_HASHES: Final = "keytrail.key.other_hashes"
OUTCOME: Final = "keytrail.outcome"
OUTCOME_REASON: Final = "keytrail.outcome_reason"
OUTCOME_MESSAGE: Final = "keytrail.outcome_message"
FINDINGS: Final = "keytrail.findings"
FINDING: Final = "keytrail.finding"
HOST_EXPECTED: Final = "keytrail.host_expected"
USE_TIME: Final = "keytrail.use.time"
REDACTIONS: Final = "keytrail.redactions"
REDACTED_HASHES: Final = "keytrail.redacted_hashes"
SAMPLED: Final = "keytrail.sampled"
CANNOT: Final = "keytrail.collector.cannot"
CUT: Final = "keytrail.collector.cut"

ONE_HASH: Final = frozenset({KEY_HASH, KEY_PREVIOUS_HASH})
MANY_HASHES: Final = frozenset({KEY_OTHER_HASHES, REDACTED_HASHES})
HASHES: Final = ONE_HASH | MANY_HASHES
FINGERPRINT: Final = re.compile(r"[0-9a-f]{64}")
"""Of these attributes, what each value is."""

REDACTED: Final = "REDACTED"
OTHER: Final = "_other"
MAX_OTHER_HASHES: Final = 4

# Metrics.
METRIC_USES: Final = "keytrail.uses"
METRIC_USER_TOKENS: Final = "keytrail.user_tokens"
METRIC_PROVISIONAL: Final = "keytrail.audit.provisional"
METRIC_SEEN: Final = "keytrail.audit.seen"
METRIC_DELIVERED: Final = "keytrail.audit.delivered"
METRIC_WAITING: Final = "keytrail.audit.waiting"
METRIC_DROPPED: Final = "keytrail.audit.dropped"
METRIC_REDACTIONS: Final = "keytrail.redactions"
METRIC_FAULTS: Final = "keytrail.faults"

EVENT_USE: Final = "keytrail.use"
"""The event name of a use that is delivered as a log record."""
