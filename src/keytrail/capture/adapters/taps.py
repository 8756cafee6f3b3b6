"""What wire taps share: the two things that they tell, and how they are put in and taken out."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from keytrail.capture.reader import RequestReader
    from keytrail.capture.view import RequestView


class Hop(Protocol):
    """One request on the wire."""

    def finish(self, status: int, challenges: Callable[[], Sequence[str]] = tuple) -> None:
        """Tell that the response's head arrived with ``status``.

        ``challenges`` reads its ``WWW-Authenticate`` and ``Proxy-Authenticate`` lines.
        """

    def fail(self, error: BaseException) -> None:
        """Tell that no response came."""


class Chain(Protocol):
    """The hops of one call that its library may spread over several spans."""

    seen: bool
    """Whether a tap saw any of its requests on the wire."""


class Wire(Protocol):
    """Where taps report what they see. Nothing here raises or blocks."""

    reader: RequestReader
    """Knows which headers a view must hold, and where a key can be."""

    def arrived(self, read: Callable[[], dict[str, Any]], carrier: Any = None) -> None:
        """Tell that a request came in, before anybody can change it or lose parts of it.

        ``read`` returns it as a scope or an environ. ``carrier``: what its instrumentation will
        hand to the propagator, an environ or an object; by default, the next plain dictionary.
        """

    def joining(self, carrier: Any) -> Any:
        """Tell that a request is about to get a span inside of another one.

        Returns what undoes it in OpenTelemetry's Context, which the caller must do at the request's
        end; ``None`` where there is nothing to undo. Then :meth:`joined` tells the span.
        """

    def joined(self, span: Any) -> None:
        """Tell the span of a request for which :meth:`joining` returned something."""

    def answering(self, status: Callable[[], int | None]) -> None:
        """Tell that the request that came in in this context is being answered.

        ``status`` is asked when its span ends: the wire's own status code, or ``None`` where the
        span tells it.
        """

    def begin(
        self,
        may_carry_key: Callable[[], bool],
        read: Callable[[], RequestView],
        *,
        within: str | None = None,
        again: Hop | None = None,
    ) -> Hop | None:
        """Tell that a request is about to be sent; ``None`` where it is certainly not a use.

        ``may_carry_key`` is never wrong when it says no; ``read`` is called only if it says yes.
        ``within``: whose call this is, for :meth:`enter`. ``again``: this is a request
        that was begun before, and had more added to it since.
        """

    def refused(self, read: Callable[[], RequestView]) -> None:
        """Tell that a library refused to send a request: no use, but its error may tell a key."""

    def holds(self, within: str) -> bool:
        """Tell whether this runs in a call of ``within`` whose hops are held together."""

    def enter(self, within: str) -> Chain:
        """Hold the hops of one call together until :meth:`leave`."""

    def leave(self, chain: Any) -> None:
        """Tell that the call is over whose hops ``chain`` holds together."""


@dataclass(frozen=True, slots=True)
class Tap:
    """One wrapped function, and what it takes to put the original back."""

    owner: Any
    name: str
    original: Any
    inherited: bool

    def take(self) -> None:
        """Put the original back, unless somebody else has wrapped it further since."""
        current = self.owner.__dict__.get(self.name)
        if getattr(current, "__wrapped__", None) is not self.original:
            return
        if self.inherited:
            delattr(self.owner, self.name)
        else:
            setattr(self.owner, self.name, self.original)


def holding(wire: Wire, within: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return what holds together the hops of a function that calls itself for each of them."""

    def tapping(call: Callable[..., Any]) -> Callable[..., Any]:
        def held(*args: Any, **kwargs: Any) -> Any:
            if wire.holds(within):
                return call(*args, **kwargs)
            chain = wire.enter(within)
            try:
                return call(*args, **kwargs)
            finally:
                wire.leave(chain)

        return held

    return tapping


def put(owner: Any, name: str, tapping: Callable[[Callable[..., Any]], Callable[..., Any]]) -> Tap:
    """Put what ``tapping`` makes of ``owner.name`` in its place.

    Raises:
        AttributeError: the library has no such function; its tap cannot be installed.

    """
    original = getattr(owner, name)
    inherited = name not in owner.__dict__
    setattr(owner, name, functools.wraps(original)(tapping(original)))
    return Tap(owner, name, original, inherited)
