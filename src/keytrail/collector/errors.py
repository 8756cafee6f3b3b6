"""A configuration or a Collector that cannot be used."""

from __future__ import annotations


class CollectorError(Exception):
    """Says what, where, and a hint."""
