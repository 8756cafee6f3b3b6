"""What makes a span too long to be delivered, cut off before the queue.

The batches behind the queue are bounded in bytes, and the Collector drops one span that is longer
than a batch, with all that stands behind it in its request, and counts neither. Whoever can make a
service write a long span could so make the uses of others vanish. A span that passes here is under
900 kB, as long as it has no more than the 128 events and links that SDKs allow.
"""

from __future__ import annotations

from typing import Any, Final

from keytrail import semconv
from keytrail.collector.ottl import Group, attribute, pattern, transform

_LONG_ATTRIBUTES: Final = 256 * 1024
_LONG_RESOURCE: Final = 64 * 1024
_LONG_EVENT: Final = 32 * 1024
_MANY_EVENTS: Final = 16
_LONG_FOR_MANY: Final = 4 * 1024
_LONG_TEXT: Final = 8 * 1024
_SHORT_TEXT: Final = 1024
_LONG_NAME: Final = 1024
_FACTS: Final = "^(keytrail|client|server|network|net|url|http|rpc|error|user_agent)[.]"
_CAPTURED: Final = "[.](header|metadata)[.]"
_OF_RESOURCE: Final = "^(service|deployment|host|k8s|cloud|telemetry)[.]"
_OF_EXCEPTION: Final = "^exception[.]"
_SAYS: Final = f"set({attribute(semconv.CUT)}, true)"


def cut() -> dict[str, Any]:
    """Return the processor that cuts, and says so of a span with ``keytrail.collector.cut``."""
    return transform(trace_statements=[*_spans(), *_events(), *_resources()])


def _spans() -> list[Group]:
    name, told, attributes = "span.name", "span.status.message", "span.attributes"
    return [
        Group(
            "span",
            [
                _SAYS,
                f"truncate_all({attributes}, {_LONG_TEXT})",
                f"delete_matching_keys({attributes}, {pattern(_CAPTURED)}) "
                f"where {_is_longer(attributes, _LONG_ATTRIBUTES)}",
                *_reduced(attributes, _FACTS, _LONG_ATTRIBUTES),
            ],
            [_is_longer(attributes, _LONG_ATTRIBUTES)],
        ),
        Group(
            "span",
            [
                _SAYS,
                f"set({name}, Substring({name}, 0, {_LONG_NAME}))",
            ],
            [f"Len({name}) > {_LONG_NAME}"],
        ),
        Group(
            "span",
            [_SAYS, f"set({told}, Substring({told}, 0, {_LONG_TEXT}))"],
            [f"Len({told}) > {_LONG_TEXT}"],
        ),
    ]


def _events() -> list[Group]:
    attributes = "spanevent.attributes"
    many = f"Len(span.events) > {_MANY_EVENTS} and {_is_longer(attributes, _LONG_FOR_MANY)}"
    return [
        Group(
            "spanevent",
            [
                _SAYS,
                f"truncate_all({attributes}, {_LONG_TEXT})",
                *_reduced(attributes, _OF_EXCEPTION, _LONG_EVENT),
            ],
            [_is_longer(attributes, _LONG_EVENT)],
        ),
        Group(
            "spanevent",
            [_SAYS, *_reduced(attributes, _OF_EXCEPTION, _LONG_FOR_MANY)],
            [many],
        ),
    ]


def _resources() -> list[Group]:
    attributes = "resource.attributes"
    return [
        Group(
            "resource",
            [
                f"truncate_all({attributes}, {_LONG_TEXT})",
                *_reduced(attributes, _OF_RESOURCE, _LONG_RESOURCE),
            ],
            [_is_longer(attributes, _LONG_RESOURCE)],
        )
    ]


def _reduced(attributes: str, to: str, most: int) -> list[str]:
    """Return what leaves short texts of the names that matter, where cutting was not enough."""
    still = f"where {_is_longer(attributes, most)}"
    return [
        f"keep_matching_keys({attributes}, {pattern(to)}) {still}",
        f"truncate_all({attributes}, {_SHORT_TEXT}) {still}",
    ]


def _is_longer(attributes: str, most: int) -> str:
    return f"Len(ToKeyValueString({attributes})) > {most}"
