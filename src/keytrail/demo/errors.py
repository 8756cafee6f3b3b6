"""What can go wrong on the way to the report."""

from __future__ import annotations


class DemoError(Exception):
    """The demo cannot go on; says what, where, and a hint. Holds no key."""
