"""Our own failures: never into the host application, never hidden."""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from opentelemetry import metrics

from keytrail import native, semconv

if TYPE_CHECKING:
    from collections.abc import Callable

_P = ParamSpec("_P")
_R = TypeVar("_R")
_D = TypeVar("_D")

logger = logging.getLogger("keytrail")

reraise = False
"""Set by keytrail's own tests, so that a fault there is a failure."""

_counted: Counter[str] = Counter()
_lock = native.Lock()
_counter = metrics.get_meter("keytrail").create_counter(
    semconv.METRIC_FAULTS, unit="{fault}", description="Failures inside keytrail, by place."
)


def report(place: str, error: BaseException) -> None:
    """Count a fault at ``place`` and name its type once; its text may hold a key: not told."""
    if reraise:
        raise error
    with _lock:
        _counted[place] += 1
        first = _counted[place] == 1
    _counter.add(1, {"place": place, "error.type": type(error).__qualname__})
    if first:
        logger.warning("fault in %s: %s", place, type(error).__qualname__)


def counts() -> dict[str, int]:
    """Return how many faults were counted, by place."""
    with _lock:
        return dict(_counted)


def guarded(place: str, default: _D) -> Callable[[Callable[_P, _R]], Callable[_P, _R | _D]]:
    """Make a function return ``default`` and count a fault instead of raising an ``Exception``."""

    def decorate(function: Callable[_P, _R]) -> Callable[_P, _R | _D]:
        def guard(*args: _P.args, **kwargs: _P.kwargs) -> _R | _D:
            try:
                return function(*args, **kwargs)
            except Exception as error:  # noqa: BLE001 - the one net under every seam
                report(place, error)
                return default

        guard.__name__ = function.__name__
        guard.__doc__ = function.__doc__
        return guard

    return decorate
