"""Locks that survive ``os.fork``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from keytrail import native

if TYPE_CHECKING:
    import threading


def fork_safe_lock() -> threading.Lock:
    """Return a lock that is never held across a fork, so that no child inherits it locked.

    Meant for module level: the hooks that it registers live as long as the process. Whoever holds
    such a lock must not wait for another one.
    """
    lock = native.Lock()
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(
            before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release
        )
    return lock
