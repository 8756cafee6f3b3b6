"""The calls of gRPC that are under way: a plugin's credentials come to them late, from a thread."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from keytrail import native
from keytrail.capture.adapters.grpc_target import target_of
from keytrail.capture.view import RequestView

if TYPE_CHECKING:
    from keytrail.capture.adapters.taps import Hop, Wire

Metadata = Iterable[tuple[str, "str | bytes"]]


class Call:
    """One call between its beginning and its end."""

    __slots__ = ("_calls", "added", "context", "core", "hop", "is_credited", "metadata", "path")

    def __init__(self, calls: Calls, core: Any, path: str, metadata: Metadata) -> None:
        self._calls = calls
        self.core = core
        self.path = path
        self.metadata = metadata
        self.added: Metadata = ()
        """What a plugin added to it."""
        self.hop: Hop | None = None
        self.context = copy_context()
        """Where the call was made, with its span."""
        self.is_credited = False
        """Whether a plugin has given it credentials."""

    def end(self, code: int) -> None:
        """Tell the number of the status that it ended with."""
        self._calls.forget(self)
        if self.hop is not None:
            self.hop.finish(code)

    def fail(self, error: BaseException) -> None:
        """Tell that it could not be made."""
        self._calls.forget(self)
        if self.hop is not None:
            self.hop.fail(error)


class Calls:
    """All calls of this process that are under way."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._lock = native.Lock()
        self._by_path: defaultdict[str, list[Call]] = defaultdict(list)

    def begin(self, core: Any, method: bytes, metadata: Metadata | None) -> Call:
        """Tell that a call of ``method`` is made on a channel's core."""
        call = Call(self, core, method.decode("latin-1"), metadata or ())
        with self._lock:
            self._by_path[call.path].append(call)
        call.hop = self._begin(call)
        return call

    def add(self, service: bytes, method: bytes, metadata: Metadata | None) -> None:
        """Tell what a plugin adds to the oldest call of a method that has nothing from one yet."""
        call = self._credit(f"/{_text(service).rpartition('/')[2]}/{_text(method)}")
        if call is not None and metadata:
            call.added = metadata
            call.hop = call.context.run(self._begin, call)

    def forget(self, call: Call) -> None:
        """Tell that ``call`` is over."""
        with self._lock:
            calls = self._by_path[call.path]
            if call in calls:
                calls.remove(call)
            if not calls:
                del self._by_path[call.path]

    def _credit(self, path: str) -> Call | None:
        with self._lock:
            for call in self._by_path.get(path, ()):
                if not call.is_credited:
                    call.is_credited = True
                    return call
        return None

    def _begin(self, call: Call) -> Hop | None:
        reader = self._wire.reader
        return self._wire.begin(
            lambda: reader.may_go_out([name for name, _ in _all(call)], call.path, ""),
            lambda: _view(call, reader.wanted),
            again=call.hop,
        )


def _all(call: Call) -> Iterator[tuple[str, str | bytes]]:
    yield from call.metadata
    yield from call.added


def _view(call: Call, wanted: frozenset[str]) -> RequestView:
    scheme, host, port = target_of(call.core)
    return RequestView(
        method="POST",
        scheme=scheme,
        host=host,
        port=port,
        path=call.path,
        query=b"",
        headers=[
            (name, value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass"))
            for name, value in _all(call)
            if name in wanted
        ],
        metadata=True,
    )


def _text(name: str | bytes) -> str:
    return name.decode("latin-1") if isinstance(name, bytes) else name
