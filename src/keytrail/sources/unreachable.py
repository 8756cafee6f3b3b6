"""Why a backend cannot be reached, in words, and what to do about it."""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING, Final

import httpx

from keytrail.sources.source import CannotAnswer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from keytrail.sources.address import Address

_IS_IT_THERE: Final = "hint: is the address right, and is it running?"
_NOT_THERE: Final = (
    *(httpx.ConnectError, httpx.ConnectTimeout),
    *(ConnectionRefusedError, socket.gaierror),
)
_CONNECTING: Final = "it did not take the connection in time"
_ASKS_WHO: Final = "does it want a client_certificate and client_key in a profile?"
_BROKEN_OFF: Final = "it broke the connection off"


def is_of_network(error: Exception) -> bool:
    """Tell whether it was the network or TLS that failed, and says so."""
    causes = [*_causes(error)]
    return any(isinstance(one, ssl.SSLError) or getattr(one, "strerror", None) for one in causes)


def unreachable(address: Address, error: Exception) -> CannotAnswer:
    """Return what is wrong, where, and the next step; never what was asked."""
    what, hint = _told(address, error)
    return CannotAnswer(f"{address} cannot be reached: {what}\n{hint}")


def _told(address: Address, error: Exception) -> tuple[str, str]:
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return (
                f"its certificate is not trusted ({cause.verify_message})",
                "hint: name the file of its CA by 'certificate' in a profile",
            )
        if isinstance(cause, ssl.SSLError):
            return _tls(address, cause)
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror.lower(), _hint(address, error)
    what = _CONNECTING if isinstance(error, httpx.ConnectTimeout) else _BROKEN_OFF
    return what, _hint(address, error)


def _hint(address: Address, error: Exception) -> str:
    """Return what may be wrong with a connection that was not taken, or was broken off."""
    if any(isinstance(cause, _NOT_THERE) for cause in _causes(error)):
        return _IS_IT_THERE
    wanted = _ASKS_WHO if address.url.startswith("https") else f"does it want {address.kind}+https?"
    return f"hint: its own log says more; {wanted}"


def _tls(address: Address, error: ssl.SSLError) -> tuple[str, str]:
    reason = (error.reason or "TLS failed").replace("_", " ").lower()
    if "certificate" in reason or "handshake failure" in reason:
        return reason, f"hint: {_ASKS_WHO}"
    return reason, f"hint: does it speak TLS there? if not, give {address.kind}+http://"


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__
