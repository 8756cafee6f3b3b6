"""The certificates with which a backend is met."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from keytrail.sources.source import CannotAnswer

if TYPE_CHECKING:
    from pathlib import Path

    from keytrail.sources.address import Address

_PEM = "hint: give a file in PEM; a private key without a passphrase"


def context(address: Address) -> ssl.SSLContext:
    """Return what verifies the backend, and shows it who asks.

    Raises:
        CannotAnswer: a file of the address holds no certificate or key.
    """
    own = ssl.create_default_context()
    if address.certificate is not None:
        own = _verifying(address.certificate)
    if address.client_certificate is not None:
        _show(own, address.client_certificate, address.client_key)
    return own


def _verifying(certificate: Path) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=str(certificate))
    except OSError as error:
        raise CannotAnswer(f"{certificate}: {_what(error)}\n{_PEM}") from None


def _show(own: ssl.SSLContext, certificate: Path, key: Path | None) -> None:
    try:
        own.load_cert_chain(str(certificate), key and str(key), password=_no_passphrase)
    except OSError as error:
        where = certificate if key is None else f"{certificate} with {key}"
        raise CannotAnswer(f"{where}: {_what(error)}\n{_PEM}") from None


def _no_passphrase() -> str:
    """Without this, OpenSSL would ask the terminal."""
    return ""


def _what(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return "this is no certificate, or not with this key"
    return error.strerror or type(error).__name__
