"""A backend that fails in any way is told: what, where, the next step, and never what was sent."""

from __future__ import annotations

import socket
import ssl
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from keytrail.questions import Answer, uses
from keytrail.settings import Settings
from keytrail.sources import CannotAnswer, Limits, connect
from support.cases import F1, K1
from support.certificates import SelfSigned, self_signed
from support.servers import answer, listening

_Fault = Callable[[BaseHTTPRequestHandler], None]


@contextmanager
def _failing(fault: _Fault, tls: ssl.SSLContext | None = None) -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            fault(self)

        def log_message(self, *_: object) -> None:
            pass

    with listening(Handler, tls=tls) as port:
        yield port


def _says(status: int, body: bytes = b"", **headers: str) -> _Fault:
    return lambda request: answer(request, status, body, **headers)


def _resets(request: BaseHTTPRequestHandler) -> None:
    request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    request.connection.close()


def _breaks_off(request: BaseHTTPRequestHandler) -> None:
    request.wfile.write(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"data": ["sh')


def _drips(request: BaseHTTPRequestHandler) -> None:
    request.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    for _ in range(600):
        request.wfile.write(b" ")
        time.sleep(0.05)


def _ask(address: str, seconds: float = 20) -> Answer:
    with closing(connect(Settings(), address, Limits(seconds))) as source:
        answer = uses(source, key=F1)
        list(answer.rows)
        return answer


_ELSE = " with something else than {kind} does\nhint: is this the address of its query API?"
_FAULTS: dict[str, tuple[_Fault, str]] = {
    "no credentials": (_says(401), " answered 401 to {path}\nhint: give credentials: headers in a"),
    "another tenant": (_says(403), " answered 403 to {path}\nhint: these credentials may not read"),
    "another path": (
        _says(404, b"404 page not found"),
        " answered 404 to {path}\nhint: is this the",
    ),
    "a login page": (_says(302, Location="/login"), " answered 302 to {path}\nhint: it sends its"),
    "too often": (
        _says(429, Retry_After="900"),
        " answered 429 to {path} and wants 900 seconds of rest\nhint: it is asked too often",
    ),
    "an error": (_says(500, K1.encode()), " answered 500 to {path}\nhint: its own log says more"),
    "a gateway": (
        _says(504),
        " answered 504 to {path}\nhint: it is too slow for this: ask for less",
    ),
    "a page": (_says(200, b"<html>"), " answered {path}" + _ELSE),
    "half of it": (_says(200, b'{"data": ["sh'), " answered {path}" + _ELSE),
    "another shape": (_says(200, b'{"data": 1, "traces": 1}'), " answered {path}" + _ELSE),
    "depth": (_says(200, b"[" * 100_000), " answered {path}" + _ELSE),
    "no gzip": (_says(200, b"?", Content_Encoding="gzip"), " answered {path}" + _ELSE),
    "a reset": (_resets, " cannot be reached: connection reset by peer\nhint: its own log"),
    "an end": (_breaks_off, " cannot be reached: it broke the connection off\nhint: its own log"),
}
_PATHS = {"jaeger": "/api/services", "tempo": "/api/search"}


@pytest.mark.parametrize("kind", _PATHS)
@pytest.mark.parametrize("fault", _FAULTS)
def test_what_fails_is_told(monkeypatch: pytest.MonkeyPatch, fault: str, kind: str) -> None:
    """What may succeed later is tried again first."""
    monkeypatch.setattr("keytrail.sources.http._WAITS", (0.0, 0.0))
    fails, message = _FAULTS[fault]
    with _failing(fails) as port, pytest.raises(CannotAnswer) as caught:
        _ask(f"{kind}+http://user:{K1}@127.0.0.1:{port}")
    told = f"{kind} at 127.0.0.1:{port}{message.format(path=_PATHS[kind], kind=kind)}"
    assert str(caught.value).startswith(told)
    assert K1 not in str(caught.value)


def test_a_backend_that_wants_rest_gets_it() -> None:
    """As long as it says, and then the answer counts."""
    asked: list[float] = []

    def busy_once(request: BaseHTTPRequestHandler) -> None:
        asked.append(time.monotonic())
        first = _says(429, Retry_After="1")
        (first if len(asked) == 1 else _says(200, b'{"traces": []}'))(request)

    with _failing(busy_once) as port:
        assert _ask(f"tempo+http://127.0.0.1:{port}").completeness.worth == "bounded"
    assert asked[1] - asked[0] >= 1


@pytest.mark.parametrize("fault", [_drips, _says(503, Retry_After="50"), lambda _: time.sleep(3)])
def test_time_that_is_over_ends_a_search_in_mid_request(fault: _Fault) -> None:
    """The answer is what was found until then, and says so."""
    begun = time.monotonic()
    with _failing(fault) as port:
        worth = _ask(f"jaeger+http://127.0.0.1:{port}", seconds=0.3).completeness
    assert (worth.worth, worth.reasons[0]) == ("truncated", "stopped after 0.3 seconds")
    assert time.monotonic() - begun < 25


@pytest.fixture(scope="module")
def own() -> SelfSigned:
    """The certificate of server, CA and client."""
    return self_signed("localhost")


@pytest.fixture
def pem(own: SelfSigned, tmp_path: Path) -> Path:
    """A directory with it."""
    (tmp_path / "own.pem").write_bytes(own.certificate)
    (tmp_path / "key.pem").write_bytes(own.key)
    (tmp_path / "none.pem").write_text("nothing")
    return tmp_path


def _tls(pem: Path, *, clients: bool = False) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem / "own.pem", pem / "key.pem")
    if clients:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(pem / "own.pem")
    return context


def test_an_own_ca_and_a_client_certificate(pem: Path) -> None:
    """Both are files that a profile names."""
    named = f"certificate={pem}/own.pem&client_certificate={pem}/own.pem&client_key={pem}/key.pem"
    with _failing(_says(200, b'{"data": null}'), _tls(pem, clients=True)) as port:
        answer = _ask(f"jaeger+https://localhost:{port}?{named}")
    assert answer.completeness.worth == "bounded"


@pytest.mark.parametrize(
    ("clients", "options", "message"),
    [
        (
            False,
            "",
            "cannot be reached: its certificate is not trusted (self",
        ),
        (
            True,
            "certificate={pem}/own.pem",
            "does it want a client_certificate and client_key",
        ),
        (False, "certificate={pem}/none.pem", "none.pem: this is no certificate, or not with this"),
        (
            False,
            "client_certificate={pem}/own.pem&client_key={pem}/none.pem",
            "is no certificate, ",
        ),
        (False, "certificate={pem}/absent.pem", "absent.pem is no file\nhint: give one in PEM"),
        (False, "client_key={pem}/key.pem", "'client_key' is of no certificate\nhint: name that"),
    ],
)
def test_certificates_that_do_not_fit_are_told(
    monkeypatch: pytest.MonkeyPatch, pem: Path, clients: bool, options: str, message: str
) -> None:
    """Which file, or what is missing."""
    monkeypatch.setattr("keytrail.sources.http._WAITS", (0.0, 0.0))
    with (
        _failing(_says(200, b'{"data": null}'), _tls(pem, clients=clients)) as port,
        pytest.raises(CannotAnswer) as caught,
    ):
        _ask(f"jaeger+https://localhost:{port}?{options.format(pem=pem)}")
    assert message in str(caught.value)


def test_tls_where_none_is_spoken_is_told() -> None:
    """And what to give instead."""
    with _failing(_says(200)) as port, pytest.raises(CannotAnswer) as caught:
        _ask(f"tempo+https://127.0.0.1:{port}")
    assert str(caught.value).endswith("\nhint: does it speak TLS there? if not, give tempo+http://")


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("jaeger+http://h?limt=3", "a jaeger source has no such option\nhint: there are "),
        ("tempo+http://h?headers=x", "'headers' is not a table of texts\n"),
        ("jaeger+http://h?lookback=x", "'lookback' is no number of days\nhint: such as 30d"),
    ],
)
def test_an_option_that_means_nothing_is_told(address: str, message: str) -> None:
    """Before anything is asked."""
    with pytest.raises(CannotAnswer) as caught:
        connect(Settings(), address)
    assert str(caught.value).startswith(message)


def test_a_tenant_that_is_no_text_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its profile; what is no profile is not repeated: it may be a key, given by mistake."""
    profiles = tmp_path / "sources.toml"
    profiles.write_text('[audit]\nurl = "tempo+http://h"\ntenant = ["a"]\n')
    monkeypatch.setenv("KEYTRAIL_SOURCES", str(profiles))
    with pytest.raises(CannotAnswer, match="audit: 'tenant' is no text\nhint: such as"):
        connect(Settings(), "audit")
    with pytest.raises(CannotAnswer) as caught:
        connect(Settings(), K1)
    assert K1 not in str(caught.value)


def test_a_header_is_sent_without_the_newline_of_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And one that cannot be sent is told without its value."""
    profiles = tmp_path / "sources.toml"
    monkeypatch.setenv("KEYTRAIL_SOURCES", str(profiles))
    sent: list[str | None] = []

    def keep(request: BaseHTTPRequestHandler) -> None:
        sent.append(request.headers["Authorization"])
        _says(200, b'{"data": null}')(request)

    with _failing(keep) as port:
        profiles.write_text(
            f'[audit]\nurl = "jaeger+http://127.0.0.1:{port}"\n'
            'headers = { Authorization = "Bearer $TOKEN" }\n'
        )
        monkeypatch.setenv("TOKEN", "t0ken\n")
        _ask("audit")
    assert sent == ["Bearer t0ken"]
    monkeypatch.setenv("TOKEN", "t0\nken")
    with pytest.raises(CannotAnswer) as caught:
        connect(Settings(), "audit")
    assert str(caught.value) == (
        f"{profiles}: audit: a header among 'headers' cannot be sent\n"
        "hint: its name and value are of printable ASCII, on one line"
    )
