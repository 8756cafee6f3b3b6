"""Where gRPC's channels lead: what they were made for, remembered as long as they live."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, NamedTuple

import grpc._channel
import grpc.aio._channel

from keytrail.capture.adapters.authority import split_authority
from keytrail.capture.adapters.taps import Tap, put

if TYPE_CHECKING:
    from collections.abc import Callable


class Target(NamedTuple):
    """The end of a channel."""

    scheme: str
    host: str
    port: int | None


_made: dict[int, Target] = {}
"""By the identity of the channel's core, which calls know and nothing else can be hung on."""


def tap_channels() -> list[Tap]:
    """Tap the making of channels: only there it is told whether one is encrypted."""
    return [
        put(grpc._channel.Channel, "__init__", _tapping),
        put(grpc.aio._channel.Channel, "__init__", _tapping),
    ]


def target_of(core: Any) -> Target:
    """Return where a channel leads; one from before the taps is taken for an encrypted one."""
    return _made.get(id(core)) or _target(core.target(), "https")


def _tapping(initialise: Callable[..., None]) -> Callable[..., None]:
    def __init__(  # noqa: N807
        channel: Any, target: Any, options: Any, credentials: Any, *args: Any, **kwargs: Any
    ) -> None:
        initialise(channel, target, options, credentials, *args, **kwargs)
        key = id(channel._channel)
        _made[key] = _target(target, "http" if credentials is None else "https")
        weakref.finalize(channel, _made.pop, key, None).atexit = False

    return __init__


def _target(name: str | bytes, scheme: str) -> Target:
    """Read a name in gRPC's syntax: ``host:port``, ``dns://server/host:port``, ``unix:path`` …."""
    text = name.decode("latin-1") if isinstance(name, bytes) else name
    resolver, colon, rest = text.partition(":")
    if colon and resolver in ("unix", "unix-abstract"):
        return Target(scheme, "localhost", None)
    if colon and resolver in ("dns", "ipv4", "ipv6", "passthrough", "xds"):
        text = rest.rpartition("/")[2]
    return Target(scheme, *split_authority(text.partition(",")[0]))
