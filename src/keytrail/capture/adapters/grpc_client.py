"""gRPC's clients: calls as they are made below all interceptors, in threads and in tasks."""

from __future__ import annotations

import weakref
from functools import partial
from typing import TYPE_CHECKING, Any

import grpc
import grpc._channel
import grpc._plugin_wrapping
import grpc.aio._call

from keytrail.capture.adapters.grpc_calls import Call, Calls
from keytrail.capture.adapters.grpc_target import tap_channels
from keytrail.capture.adapters.taps import Tap, Wire, put

if TYPE_CHECKING:
    from collections.abc import Callable

SYNC_CALLS = (
    (grpc._channel._UnaryUnaryMultiCallable, ("__call__", "with_call", "future")),
    (grpc._channel._StreamUnaryMultiCallable, ("__call__", "with_call", "future")),
    (grpc._channel._UnaryStreamMultiCallable, ("__call__",)),
    (grpc._channel._SingleThreadedUnaryStreamMultiCallable, ("__call__",)),
    (grpc._channel._StreamStreamMultiCallable, ("__call__",)),
)
ASYNC_CALLS = (
    grpc.aio._call.UnaryUnaryCall,
    grpc.aio._call.StreamUnaryCall,
    grpc.aio._call.UnaryStreamCall,
    grpc.aio._call.StreamStreamCall,
)
METADATA, CORE, METHOD = 2, 5, 6
"""Where calls take what a tap needs: the first in both, the others in grpc.aio."""


def taps(wire: Wire) -> list[Tap]:
    """Tap every kind of call, and the plugins that add credentials to one on its way."""
    calls = Calls(wire)

    def tapping(make: Callable[..., Any]) -> Callable[..., Any]:
        def tapped(method: Any, *args: Any, **kwargs: Any) -> Any:
            metadata = args[METADATA] if len(args) > METADATA else kwargs.get("metadata")
            call = calls.begin(method._channel, method._method, metadata)
            try:
                made = make(method, *args, **kwargs)
            except grpc.RpcError as error:
                call.end(_code(error))
                raise
            except BaseException as error:
                call.fail(error)
                raise
            if isinstance(made, grpc.RpcContext):
                ended = partial(_ended, call, weakref.ref(made))
                if not made.add_callback(ended):
                    ended()
            else:
                call.end(0)
            return made

        return tapped

    def tapping_async(initialise: Callable[..., None]) -> Callable[..., None]:
        def __init__(made: Any, *args: Any) -> None:  # noqa: N807
            call = calls.begin(args[CORE], args[METHOD], args[METADATA])
            try:
                initialise(made, *args)
            except BaseException as error:
                call.fail(error)
                raise
            made._cython_call.add_done_callback(partial(_async_ended, call, weakref.ref(made)))

        return __init__

    def tapping_plugin(add: Callable[..., None]) -> Callable[..., None]:
        def __call__(plugin: Any, service: Any, method: Any, callback: Any) -> None:  # noqa: N807
            def added(metadata: Any, *status: Any) -> None:
                calls.add(service, method, metadata)
                callback(metadata, *status)

            add(plugin, service, method, added)

        return __call__

    return [
        *tap_channels(),
        *(put(kind, name, tapping) for kind, names in SYNC_CALLS for name in names),
        *(put(kind, "__init__", tapping_async) for kind in ASYNC_CALLS),
        put(grpc._plugin_wrapping._Plugin, "__call__", tapping_plugin),
    ]


def _ended(call: Call, made: weakref.ref[Any]) -> None:
    ended = made()
    call.end(grpc.StatusCode.CANCELLED.value[0] if ended is None else _code(ended))


def _async_ended(call: Call, made: weakref.ref[Any]) -> None:
    ended = made()
    if ended is None:
        call.end(grpc.StatusCode.CANCELLED.value[0])
        return
    try:
        ended.code().send(None)
    except StopIteration as told:
        call.end(told.value.value[0])


def _code(ended: Any) -> int:
    code: int = ended.code().value[0]
    return code
