"""A question that is cancelled leaves nothing behind, and says so in a line."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import NamedTuple

import pytest

from cli.cli_kit import KEYTRAIL, environment
from support.cases import F1
from support.servers import listening


class _Hanging(NamedTuple):
    """A Jaeger that tells its services, and then nothing more."""

    address: str
    asked: threading.Event


@pytest.fixture
def hanging() -> Iterator[_Hanging]:
    asked, over = threading.Event(), threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if not self.path.startswith("/api/services"):
                asked.set()
                over.wait(300)
                return
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"data": ["shop"]}')

        def log_message(self, *_: object) -> None:
            pass

    with listening(Handler) as port:
        yield _Hanging(f"jaeger+http://127.0.0.1:{port}", asked)
        over.set()


def _ask(
    hanging: _Hanging,
    scratch: Path,
    talk: int = subprocess.PIPE,
    command: Sequence[str] = ("uses", "--key", F1),
) -> subprocess.Popen[bytes]:
    """Begin a question, and wait until it waits for its answer."""
    process = subprocess.Popen(
        [KEYTRAIL, *command, "--from", hanging.address],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=talk,
        env=environment(TMPDIR=str(scratch)),
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert hanging.asked.wait(120)
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_sigterm_leave_nothing_behind(
    hanging: _Hanging, tmp_path: Path, number: signal.Signals
) -> None:
    """The status of a signal, one line, and no file of what was found."""
    process = _ask(hanging, tmp_path)
    assert len([*tmp_path.iterdir()]) == 1
    process.send_signal(number)
    data, talk = process.communicate(timeout=120)
    assert (process.returncode, data) == (128 + number, b"")
    assert talk == b"keytrail: cancelled: the answer is not whole\n"
    assert [*tmp_path.iterdir()] == []


def test_an_export_that_is_cancelled_leaves_no_file(hanging: _Hanging, tmp_path: Path) -> None:
    """Neither a part of it nor a manifest."""
    scratch, out = tmp_path / "scratch", tmp_path / "out"
    scratch.mkdir()
    out.mkdir()
    files = ("--output", str(out / "uses.csv"), "--manifest", str(out / "uses.json"))
    process = _ask(hanging, scratch, command=("export", "--format", "csv", *files))
    process.send_signal(signal.SIGINT)
    _, talk = process.communicate(timeout=120)
    assert (process.returncode, talk) == (130, b"keytrail: cancelled: the answer is not whole\n")
    assert [*out.iterdir(), *scratch.iterdir()] == []


def test_progress_is_shown_at_a_terminal_and_taken_away(hanging: _Hanging, tmp_path: Path) -> None:
    """In one line, which is gone before anything else is said."""
    terminal, side = pty.openpty()
    process = _ask(hanging, tmp_path, side)
    os.close(side)
    shown = b""
    while b"searching shop" not in shown:
        shown += os.read(terminal, 1000)
    process.send_signal(signal.SIGINT)
    assert process.wait(120) == 130
    while not shown.endswith(b"whole\r\n"):
        shown += os.read(terminal, 1000)
    os.close(terminal)
    assert process.stdout is not None
    process.stdout.close()
    assert shown.startswith(b"\r\x1b[K0 uses found; searching shop, 20")
    assert shown.endswith(b"\r\x1b[Kkeytrail: cancelled: the answer is not whole\r\n")


def test_a_query_that_does_not_listen_is_cancelled_too(tmp_path: Path) -> None:
    """DuckDB hears of a signal in some of its work only, and makes an error of its own of it."""
    program = (
        "import duckdb, os, signal, threading\n"
        "from keytrail.cli.cancelling import cancellable\n"
        "from keytrail.cli.errors import CommandError\n"
        "connection = duckdb.connect()\n"
        "def work():\n"
        "    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()\n"
        "    connection.execute('SELECT count(DISTINCT sha256(range::VARCHAR)) "
        "FROM range(1000000000)').fetchall()\n"
        "try:\n"
        "    cancellable(work, connection.interrupt)\n"
        "except CommandError as error:\n"
        "    print(error.code, error)\n"
    )
    shown = subprocess.run(
        [KEYTRAIL.with_name("python"), "-c", program],
        capture_output=True,
        text=True,
        env=environment(TMPDIR=str(tmp_path)),
        timeout=240,
        check=True,
    )
    assert (shown.stdout, shown.stderr) == ("130 cancelled: the answer is not whole\n", "")
