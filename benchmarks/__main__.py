"""``python -m benchmarks``: everything that is measured, one after the other."""

from __future__ import annotations

from benchmarks import keys, overhead

overhead.main([])
print()
keys.main([])
