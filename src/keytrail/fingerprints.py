"""The fingerprint of a key in hand, for those who may read the pepper."""

from __future__ import annotations

from keytrail.capture.pepper import load_peppers
from keytrail.settings import Settings


def fingerprint(key: str | bytes, settings: Settings | None = None) -> str:
    """Return the 64 hex digits under which uses of ``key`` are recorded.

    Under the pepper of ``settings`` (default: the environment's). A text is taken as UTF-8.

    Raises:
        ValueError: the key is empty.

    """
    value = key if isinstance(key, bytes) else key.encode("utf-8", "surrogatepass")
    if not value:
        raise ValueError("an empty key has no fingerprint")
    return load_peppers(settings or Settings.from_env()).peppers.fingerprint(value)
