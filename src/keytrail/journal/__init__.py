"""Every use on disk first: segments, the audit queue, delivery over OTLP, accounting."""
