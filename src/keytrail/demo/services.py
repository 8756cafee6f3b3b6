"""Starts the example services as anybody would, in processes of their own, and stops them."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from keytrail.demo.cast import Cast, digest
from keytrail.demo.errors import DemoError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

START_TIMEOUT = 120.0
STOP_TIMEOUT = 60.0
WATCHED = (sys.executable, "-c", "from keytrail.cli import main; main()", "run", "--")
"""``keytrail run --`` before a command is all that it takes to record the use of its API keys."""


@dataclass(frozen=True, slots=True)
class Service:
    """One process to be: what runs, with which environment besides ours, on which port."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    port: int


def examples() -> Path:
    """Return the directory of the example services, in a checkout or in an installed package."""
    package = Path(__file__).parents[1]
    installed = package / "examples"
    return installed if installed.is_dir() else package.parents[1] / "examples"


def services(
    cast: Cast, per_hour: Mapping[str, int], watching: Mapping[str, str]
) -> tuple[Service, ...]:
    """Return the paid API, the warehouse and the orders service, in the order of their start.

    Keys reach a service by its environment, so that no file holds one. ``watching`` are the
    settings of OpenTelemetry and keytrail for the two services that are ours; ``per_hour`` is the
    quota of the customers that have one.
    """
    paid_api, warehouse, orders = free_ports(3)
    # uvicorn's access log would write whatever key a caller puts into the URL.
    uvicorn = ("-m", "uvicorn", "orders:app", "--no-access-log", "--log-level", "warning")
    return (
        Service("paid-api", (sys.executable, "paid_api.py"), _paid_api(cast, paid_api), paid_api),
        Service(
            "warehouse",
            (*WATCHED, sys.executable, "warehouse.py"),
            {
                "OTEL_SERVICE_NAME": "warehouse",
                **watching,
                **_warehouse(cast, warehouse, paid_api),
            },
            warehouse,
        ),
        Service(
            "orders",
            (*WATCHED, sys.executable, *uvicorn, "--port", str(orders)),
            {
                "OTEL_SERVICE_NAME": "orders",
                **watching,
                **_orders(cast, per_hour, warehouse, paid_api),
            },
            orders,
        ),
    )


def _paid_api(cast: Cast, port: int) -> dict[str, str]:
    keys = [digest(cast.payments_key), digest(cast.shipping_key)]
    return {"PORT": str(port), "PAID_API_KEYS": json.dumps(keys)}


def _warehouse(cast: Cast, port: int, paid_api: int) -> dict[str, str]:
    kiosks = {digest(c.key): c.name for c in cast.callers if c.service == "warehouse"}
    return {
        "PORT": str(port),
        "WAREHOUSE_CALLERS": json.dumps({digest(cast.warehouse_key): "orders", **kiosks}),
        "SHIPPING_URL": f"http://127.0.0.1:{paid_api}",
        "SHIPPING_KEY": cast.shipping_key.reveal(),
    }


def _orders(
    cast: Cast, per_hour: Mapping[str, int], warehouse: int, paid_api: int
) -> dict[str, str]:
    customers = {
        digest(caller.key): {
            "name": caller.name,
            "per_hour": per_hour.get(caller.name, 1_000_000),
            "may_export": caller.may_export,
        }
        for caller in cast.callers
        if caller.known and caller.service == "orders"
    }
    return {
        "ORDERS_CUSTOMERS": json.dumps(customers),
        "WAREHOUSE_URL": f"http://127.0.0.1:{warehouse}",
        "WAREHOUSE_KEY": cast.warehouse_key.reveal(),
        "PAYMENTS_URL": f"http://127.0.0.1:{paid_api}",
        "PAYMENTS_KEY": cast.payments_key.reveal(),
    }


def free_ports(count: int) -> list[int]:
    """Return so many ports that were free a moment ago."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


@contextmanager
def running(wanted: tuple[Service, ...], logs: Path) -> Iterator[None]:
    """Run the services until the block ends, then stop them with SIGTERM, the last one first.

    Raises:
        DemoError: one did not answer in time, ended early, or had to be killed.

    """
    with ExitStack() as stack:
        processes = [
            (service, stack.enter_context(_process(service, logs / f"{service.name}.log")))
            for service in wanted
        ]
        for service, process in processes:
            _wait_until_ready(service, process, logs / f"{service.name}.log")
        yield


@contextmanager
def _process(service: Service, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    environment = {**_inherited(), **service.environment}
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - our own command line
            service.command, cwd=examples(), env=environment, stdout=output, stderr=output
        )
    try:
        yield process
    finally:
        _stop(service, process, log)


def _inherited() -> dict[str, str]:
    """Return our environment without proxies and without what would change the recording."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("OTEL_", "KEYTRAIL_")) and not name.lower().endswith("_proxy")
    }


def _wait_until_ready(service: Service, process: subprocess.Popen[bytes], log: Path) -> None:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise DemoError(f"{service.name} ended with code {process.returncode}{last_words(log)}")
        try:
            direct.open(f"http://127.0.0.1:{service.port}/health", timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise DemoError(f"{service.name} did not answer within {START_TIMEOUT:g} s{last_words(log)}")


def _stop(service: Service, process: subprocess.Popen[bytes], log: Path) -> None:
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise DemoError(
            f"{service.name} did not stop within {STOP_TIMEOUT:g} s{last_words(log)}"
        ) from None


def last_words(*logs: Path) -> str:
    """Return the end of what services said, as the rest of a message; services log no key."""
    lines = []
    for log in logs:
        said = log.read_text(errors="replace").splitlines()[-15:]
        lines += [f"\nhint: see {log}", *(f"  {line}" for line in said)]
    return "\n".join(lines)
