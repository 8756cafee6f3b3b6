"""How a ClickHouse is connected to: by its official client, over connections that are watched."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import clickhouse_connect
from clickhouse_connect.driver.httputil import check_env_proxy, get_pool_manager
from urllib3 import Timeout

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from clickhouse_connect.driver.client import Client
    from urllib3 import PoolManager

    from keytrail.sources.address import Address
    from keytrail.sources.limits import Limits


def connected(address: Address, limits: Limits) -> Client:
    """Return a client that is connected, and waits no longer than the question may take.

    Raises:
        Exception: one of :data:`keytrail.sources.clickhouse.refusals.FAILURES`.
    """
    parts = urlsplit(address.url)
    return clickhouse_connect.get_client(
        host=parts.hostname,
        port=parts.port,
        interface=parts.scheme,
        username=address.user,
        password=address.password.reveal() if address.password else "",
        database=unquote(parts.path.strip("/")) or None,
        headers={name: value.reveal() for name, value in address.headers},
        client_cert=_text(address.client_certificate),
        pool_mgr=_pool(address, limits),
        autogenerate_session_id=False,
    )


def _pool(address: Address, limits: Limits) -> PoolManager:
    """Return connections that follow no redirect: whoever it points to would get the headers.

    They wait no longer than the question may take.
    """
    parts = urlsplit(address.url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    proxy = check_env_proxy(parts.scheme, parts.hostname or "", port)
    pool: PoolManager = get_pool_manager(
        ca_cert=_text(address.certificate),
        client_cert=_text(address.client_certificate),
        client_cert_key=_text(address.client_key),
        http_proxy=proxy if parts.scheme == "http" else None,
        https_proxy=proxy if parts.scheme == "https" else None,
    )
    pool.urlopen = partial(_open, pool.urlopen, limits)  # type: ignore[method-assign]
    return pool


def _open(urlopen: Callable[..., Any], limits: Limits, *request: Any, **options: Any) -> Any:
    limits.check()
    seconds = limits.remaining()
    if seconds is not None:
        options["timeout"] = Timeout(connect=seconds, read=seconds)
    return urlopen(*request, **{**options, "redirect": False})


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)
