"""What stands before ``@`` in the URL of a call: its client sends it as a header like any other."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from keytrail.capture.view import Header

    UserinfoOf = Callable[..., bytes]

_current: ContextVar[bytes] = ContextVar("keytrail-userinfo", default=b"")
"""Of the call that is running; still percent-encoded."""


def sent_userinfo(headers: Iterable[Header]) -> bytes:
    """Return the userinfo of the running call's URL, if a request with ``headers`` carries it."""
    userinfo = _current.get()
    return userinfo if userinfo and any(name == "authorization" for name, _ in headers) else b""


def userinfo_in(url: str) -> bytes:
    """Return what stands before the host of ``url``."""
    if "@" not in url:
        return b""
    authority = url.partition("://")[2].replace("?", "/").replace("#", "/").partition("/")[0]
    return authority.rpartition("@")[0].encode("utf-8", "surrogatepass")


def minding(told: UserinfoOf) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return what keeps the userinfo that ``told`` finds in a call's arguments until its end."""

    def tapping(call: Callable[..., Any]) -> Callable[..., Any]:
        def minded(*args: Any, **kwargs: Any) -> Any:
            userinfo = _found(told, args, kwargs)
            if userinfo == _current.get():
                return call(*args, **kwargs)
            token = _current.set(userinfo)
            try:
                return call(*args, **kwargs)
            finally:
                _current.reset(token)

        return minded

    return tapping


def minding_async(told: UserinfoOf) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return the same for a coroutine function."""

    def tapping(call: Callable[..., Any]) -> Callable[..., Any]:
        async def within(userinfo: bytes, args: Any, kwargs: Any) -> Any:
            token = _current.set(userinfo)
            try:
                return await call(*args, **kwargs)
            finally:
                _current.reset(token)

        def minded(*args: Any, **kwargs: Any) -> Any:
            userinfo = _found(told, args, kwargs)
            if userinfo == _current.get():
                return call(*args, **kwargs)
            return within(userinfo, args, kwargs)

        return minded

    return tapping


def _found(told: UserinfoOf, args: Any, kwargs: Any) -> bytes:
    try:
        return told(*args, **kwargs)
    except Exception:  # noqa: BLE001 - the client says what is wrong with such arguments
        return b""
