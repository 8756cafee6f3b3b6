"""Real processes on loopback: started, waited for, stopped."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

APPS = Path(__file__).parents[1] / "apps"
SCRIPTS = Path(sys.executable).parent


_PORTS = iter(random.SystemRandom().sample(range(10_000, 32_768), 20_000))
"""Below those that the system itself gives to connections and to servers that name none."""
_CLAIMS: deque[socket.socket] = deque()
"""Of the ports that were given last, over UDP: no other run of the tests gives them meanwhile."""


def free_port() -> int:
    """Return a port at which nobody listens, never the same twice."""
    while True:
        port, claim = next(_PORTS), socket.socket(type=socket.SOCK_DGRAM)
        with socket.socket() as probe:
            if _bound(claim, port) and _bound(probe, port):
                _CLAIMS.append(claim)
                break
        claim.close()
    if len(_CLAIMS) > 64:
        _CLAIMS.popleft().close()
    return port


def _bound(one: socket.socket, port: int) -> bool:
    try:
        one.bind(("127.0.0.1", port))
    except OSError:
        return False
    return True


def clean_environ(**more: str) -> dict[str, str]:
    """Return this environment without any OpenTelemetry or keytrail setting, and with ``more``."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("OTEL_", "KEYTRAIL_", "PYTEST_", "COV_"))
    }
    return {**kept, "PATH": f"{SCRIPTS}{os.pathsep}{kept.get('PATH', '')}", **more}


@contextmanager
def running(
    command: Sequence[str], environ: Mapping[str, str], port: int, cwd: Path = APPS
) -> Iterator[subprocess.Popen[str]]:
    """Run a server until the block ends, then stop it with SIGTERM."""
    with subprocess.Popen(
        command,
        env=dict(environ),
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        pipesize=2**20,  # nobody reads it before the end
        start_new_session=True,
    ) as process:
        try:
            _await_port(process, port)
            yield process
            stop(process)
        finally:
            with suppress(ProcessLookupError):  # its workers have ended too, as they should
                os.killpg(process.pid, signal.SIGKILL)


def stop(process: subprocess.Popen[str], number: int = signal.SIGTERM) -> str:
    """Stop a process, wait for the end of all that write to its output, and return that."""
    if process.poll() is None:
        process.send_signal(number)
    try:
        output, _ = process.communicate(timeout=60)
    except ValueError:  # it was stopped and read before
        return ""
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return output


def _await_port(process: subprocess.Popen[str], port: int) -> None:
    deadline = time.monotonic() + 180  # each worker of a server imports everything
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise AssertionError(f"the service ended: {stop(process)[-2000:]}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=0.2).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"the service did not answer: {stop(process)[-2000:]}")
