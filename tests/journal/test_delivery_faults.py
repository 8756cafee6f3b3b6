"""A real audited process while the world around it fails: nothing is lost, or it is counted."""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from support.cases import K1
from support.servers import answer, body_of, listening
from support.told import Books, Told, holds_raw_key, told, waiting_on_disk
from support.waiting import eventually

ROUNDS = int(os.environ.get("TEST_KILLS", "4"))
"""How often a service is killed; 50 for the full proof."""


@dataclass
class Endpoint:
    """An OTLP/HTTP receiver that can be made to fail."""

    port: int = 0
    scheme: str = "http"
    paths: list[str] = field(default_factory=list)
    """``url.path`` of each use that was taken, as often as it was."""
    asked: int = 0
    fails: Callable[[BaseHTTPRequestHandler, bytes], bool] | None = None
    """Answers in the receiver's stead; returns whether it did."""
    rejects: int = 0
    leaked: bool = False

    @property
    def url(self) -> str:
        return f"{self.scheme}://localhost:{self.port}"

    def numbers(self) -> list[int]:
        """Return the numbers of the uses that were taken, each once, sorted."""
        return sorted({int(path.rpartition("/")[2]) for path in self.paths})

    def take(self, request: BaseHTTPRequestHandler) -> None:
        body = body_of(request)
        self.asked += 1
        self.leaked = self.leaked or K1.encode() in body
        if self.fails is not None and self.fails(request, body):
            return
        self.paths += paths_in(body)
        said = ExportTraceServiceResponse()
        said.partial_success.rejected_spans = self.rejects
        answer(request, 200, said.SerializeToString())


def paths_in(body: bytes) -> list[str]:
    return [
        attribute.value.string_value
        for of_resource in ExportTraceServiceRequest.FromString(body).resource_spans
        for of_scope in of_resource.scope_spans
        for span in of_scope.spans
        for attribute in span.attributes
        if attribute.key == "url.path"
    ]


def answers(status: int, **headers: str) -> Callable[[BaseHTTPRequestHandler, bytes], bool]:
    def fault(request: BaseHTTPRequestHandler, _: bytes) -> bool:
        answer(request, status, b"", **headers)
        return True

    return fault


@contextmanager
def receiving(endpoint: Endpoint, tls: ssl.SSLContext | None = None) -> Iterator[Endpoint]:
    """Run ``endpoint``, on its old port if it had one."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            endpoint.take(self)

        def log_message(self, *_: Any) -> None:
            pass

    with listening(Handler, endpoint.port, tls) as endpoint.port:
        yield endpoint


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with receiving(Endpoint()) as found:
        yield found


def check_books(service: Told, endpoint: Endpoint, **dropped: int) -> None:
    """The process's books, the files and the endpoint say the same about every use."""
    assert service.tell("flush")
    eventually(lambda: service.books().waiting == waiting_on_disk(service.home))
    books = service.books()
    assert books.seen == books.delivered + books.waiting + sum(books.dropped.values())
    assert books.dropped == dropped
    assert not holds_raw_key(service.home)
    assert not endpoint.leaked


def arrives(service: Told, endpoint: Endpoint, uses: int) -> None:
    """Every use arrives, and the books are closed."""
    eventually(lambda: endpoint.numbers() == list(range(uses)))
    eventually(lambda: service.books() == Books(uses, uses, 0, {}))
    eventually(lambda: waiting_on_disk(service.home) == 0)
    check_books(service, endpoint)


def never_answers(request: BaseHTTPRequestHandler, _: bytes) -> bool:
    time.sleep(3)
    request.close_connection = True
    return True


def resets(request: BaseHTTPRequestHandler, _: bytes) -> bool:
    request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    request.connection.close()
    request.close_connection = True
    return True


def breaks_off(request: BaseHTTPRequestHandler, _: bytes) -> bool:
    """Answer half a response."""
    request.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
    request.close_connection = True
    return True


FAULTS: dict[str, Callable[[BaseHTTPRequestHandler, bytes], bool]] = {
    "never answers": never_answers,
    "resets": resets,
    "breaks off": breaks_off,
    "429": answers(429, Retry_After="1"),
    "503": answers(503, Retry_After="1"),
    "400": answers(400),
    "401": answers(401),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_fails_for_a_while_loses_nothing(home: Path, endpoint: Endpoint, fault: str) -> None:
    """Whatever goes wrong at the endpoint, uses wait on disk and arrive when it is over."""
    endpoint.fails = FAULTS[fault]
    patience = {"KEYTRAIL_OTLP_TIMEOUT": "1"} if fault == "never answers" else {}
    with told(home, endpoint.url, **patience) as service:
        service.tell("use", 0, 20)
        eventually(lambda: endpoint.asked)
        check_books(service, endpoint)
        assert service.books().waiting == 20
        service.tell("use", 20, 40)
        endpoint.fails = None
        arrives(service, endpoint, 40)
        service.end()


def test_an_endpoint_that_is_down_for_the_whole_run(home: Path) -> None:
    """Nothing listens while the service lives; the next one delivers all that it left, in order."""
    endpoint = Endpoint()
    with receiving(endpoint):
        pass
    with told(home, endpoint.url) as service:
        service.tell("use", 0, 30)
        check_books(service, endpoint)
        assert service.books() == Books(30, 0, 30, {})
        errors = service.end()
    assert errors.count("uses wait in the journal") == 1
    assert waiting_on_disk(home) == 30
    with receiving(endpoint), told(home, endpoint.url) as service:
        arrives(service, endpoint, 30)
        service.end()
    assert [int(path.rpartition("/")[2]) for path in endpoint.paths] == list(range(30))
    assert list(home.glob("live/*/*")) == []


def test_a_partial_success_is_counted(home: Path, endpoint: Endpoint) -> None:
    """What the endpoint says it rejected counts as refused, and the rest as delivered."""
    endpoint.rejects = 1
    with told(home, endpoint.url) as service:
        service.tell("use", 0, 20)
        eventually(lambda: endpoint.numbers() == list(range(20)))
        eventually(lambda: service.books().waiting == 0)
        rejected = endpoint.asked
        assert service.books() == Books(20, 20 - rejected, 0, {"refused": rejected})
        check_books(service, endpoint, refused=rejected)
        assert service.end().count("uses were dropped: refused") == 1


def test_a_name_that_does_not_resolve(home: Path, endpoint: Endpoint) -> None:
    """A DNS failure is waited out; a later process with the right name delivers."""
    with told(home, "http://nowhere.invalid:4318") as service:
        service.tell("use", 0, 10)
        check_books(service, endpoint)
        assert "hint: is the endpoint up" in service.end()
    assert waiting_on_disk(home) == 10
    with told(home, endpoint.url) as service:
        arrives(service, endpoint, 10)


def test_a_wrong_certificate(home: Path, tmp_path: Path) -> None:
    """An endpoint that cannot prove who it is gets nothing; with its authority set, all."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            *subject,
            *files,
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with receiving(Endpoint(scheme="https"), context) as endpoint:
        with told(home, endpoint.url) as service:
            service.tell("use", 0, 10)
            check_books(service, endpoint)
            assert "SSLError" in service.end()
        assert (endpoint.asked, waiting_on_disk(home)) == (0, 10)
        trusting = {"KEYTRAIL_OTLP_CERTIFICATE": str(certificate)}
        with told(home, endpoint.url, **trusting) as service:
            arrives(service, endpoint, 10)


@contextmanager
def small_disk(place: Path, options: str) -> Iterator[Path]:
    """Mount a small file system at ``place``."""
    place.mkdir()
    mounted = shutil.which("mount") and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)],
        capture_output=True,
        check=False,
    )
    if not mounted or mounted.returncode:
        pytest.skip("mounting a tmpfs needs root")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB."""
    with small_disk(tmp_path / "disk", "size=4m") as place:
        yield place


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A directory that nothing can be written to; root is kept out by the file system alone."""
    if os.getuid() == 0:
        with small_disk(tmp_path / "disk", "size=1m,ro") as place:
            yield place
    else:
        (tmp_path / "closed").mkdir(mode=0o555)
        yield tmp_path / "closed"


def test_a_full_disk_and_then_a_free_one(disk: Path) -> None:
    """While the disk is full uses are dropped and counted; before and after they are kept."""
    home, ballast = disk / "keytrail", disk / "ballast"
    with told(home) as service:
        service.tell("use", 0, 10)
        assert service.tell("flush")
        ballast.write_bytes(b"x" * (4 * 1024 * 1024 - 40_000 - 64 * 1024))
        service.tell("use", 10, 20)
        eventually(lambda: service.books().dropped == {"disk_full": 10})
        ballast.unlink()
        service.tell("use", 20, 30)
        eventually(lambda: service.books() == Books(30, 20, 0, {"disk_full": 10}))
        assert waiting_on_disk(home) == 20
        errors = service.end()
    assert errors.count("uses were dropped: disk_full") == 1
    assert not holds_raw_key(home)


def test_a_read_only_directory(read_only: Path) -> None:
    """Nothing can be recorded: every use is counted as dropped, once told, and the service runs."""
    with told(read_only / "keytrail") as service:
        service.tell("use", 0, 10)
        eventually(lambda: service.books() == Books(10, 0, 0, {"home_unwritable": 10}))
        assert service.end().count("uses were dropped: home_unwritable") == 1


def test_a_service_that_is_killed_at_random_moments(home: Path, endpoint: Endpoint) -> None:
    """What was on disk before ``kill -9`` arrives, at least once, whoever has to deliver it."""
    endpoint.fails = None
    flushed: set[int] = set()
    for number in range(ROUNDS):
        first = number * 1000
        with told(home, endpoint.url) as service:
            service.tell("use", first, first + 30)
            assert service.tell("flush")
            flushed.update(range(first, first + 30))
            service.begin("use", first + 30, first + 200)
            time.sleep(random.uniform(0, 0.15))
            service.process.send_signal(signal.SIGKILL)
    with told(home, endpoint.url) as service:
        eventually(lambda: flushed <= set(endpoint.numbers()), 60)
        eventually(lambda: service.books().waiting == 0)
        check_books(service, endpoint)
        service.end()
    assert list(home.glob("live/*/*")) == []
    assert not holds_raw_key(home)


RECEIVER = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
from journal.test_delivery_faults import Endpoint, receiving, paths_in

def take_and_die(request, body):
    with open(sys.argv[2], "a") as taken:
        taken.writelines(path + "\\n" for path in paths_in(body))
    os.kill(os.getpid(), signal.SIGKILL)

endpoint = Endpoint(port=int(sys.argv[3]), fails=take_and_die)
with receiving(endpoint):
    print(endpoint.port, flush=True)
    sys.stdin.read()
"""


def test_a_receiver_that_is_killed_before_it_answers(home: Path, tmp_path: Path) -> None:
    """What it took without saying so is sent again, with the same ids: at least once."""
    taken = tmp_path / "taken"
    receiver = subprocess.Popen(
        [sys.executable, "-c", RECEIVER, str(Path(__file__).parents[1]), str(taken), "0"],
        stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
        text=True,
    )
    assert receiver.stdout is not None
    endpoint = Endpoint(port=int(receiver.stdout.readline()))
    with told(home, endpoint.url) as service:
        service.tell("use", 0, 10)
        assert receiver.wait(60) == -signal.SIGKILL
        assert len(taken.read_text().split()) >= 1
        check_books(service, endpoint)
        with receiving(endpoint):
            arrives(service, endpoint, 10)


def test_a_clock_that_steps_backwards(home: Path, endpoint: Endpoint) -> None:
    """A clock that is set back by a day, and forward again, loses and doubles nothing."""
    with told(home, endpoint.url) as service:
        service.tell("use", 0, 10)
        service.tell("step", -86_400)
        service.tell("use", 10, 20)
        service.tell("step", 0)
        service.tell("use", 20, 30)
        arrives(service, endpoint, 30)
        service.end()
    assert Counter(endpoint.paths).most_common(1)[0][1] == 1


def test_a_fork_in_mid_export(home: Path, endpoint: Endpoint) -> None:
    """A child that is forked while a request runs delivers its own uses, the parent the rest."""
    held = threading.Event()

    def waits(request: BaseHTTPRequestHandler, _: bytes) -> bool:
        return not held.wait(60)

    endpoint.fails = waits
    with told(home, endpoint.url) as service:
        service.tell("use", 0, 10)
        eventually(lambda: endpoint.asked)
        service.tell("fork", 10, 20)
        service.tell("use", 20, 30)
        held.set()
        service.tell("collect")
        eventually(lambda: endpoint.numbers() == list(range(30)))
        eventually(lambda: service.books() == Books(20, 20, 0, {}))
        service.end()
    assert Counter(endpoint.paths).most_common(1)[0][1] == 1
    eventually(lambda: waiting_on_disk(home) == 0)
    assert not holds_raw_key(home)


def test_two_services_that_share_a_home(home: Path, endpoint: Endpoint) -> None:
    """Each delivers its own, none twice; what one leaves behind the other takes over."""
    with told(home, endpoint.url) as first, told(home, endpoint.url) as second:
        first.tell("use", 0, 20)
        second.tell("use", 20, 40)
        eventually(lambda: endpoint.numbers() == list(range(40)))
        eventually(lambda: first.books() == second.books() == Books(20, 20, 0, {}))
        endpoint.fails = FAULTS["503"]
        first.tell("use", 40, 50)
        assert first.tell("flush")
        first.process.kill()
        first.process.wait()
        endpoint.fails = None
        eventually(lambda: endpoint.numbers() == list(range(50)))
        eventually(lambda: second.books() == Books(30, 30, 0, {}))
        check_books(second, endpoint)
    assert Counter(endpoint.paths).most_common(1)[0][1] == 1
