"""ClickHouse's real engine behind HTTP, as far as its client and the Collector's exporter need.

The engine runs in a process of its own, since a process can hold one, and never lets it go.
"""

from __future__ import annotations

import gzip
import re
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from keytrail.collector import files
from support.otelcol import missing
from support.services import free_port

_FORMAT = re.compile(rb"\s+FORMAT\s+(\w+)\s*;?\s*$", re.IGNORECASE)
_INSERT = re.compile(rb"^\s*INSERT\s+INTO\s+(.+?)\s+FORMAT\s+(\w+)\s*$", re.IGNORECASE | re.DOTALL)
_CODE = re.compile(r"Code: (\d+)")
_OURS = {"query", "database", "default_format", "session_id", "query_id", "client_protocol_version"}
_NO_SETTINGS = {"compress", "decompress", "wait_end_of_query", "role", "enable_http_compression"}


class _Front(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    engine: Any
    lock: threading.Lock
    refused: frozenset[str] = frozenset()
    """Overflow modes that are 'break', and that nobody may change."""

    def do_GET(self) -> None:
        self._send(200, b"Ok.\n")

    def do_POST(self) -> None:
        parts = urlsplit(self.path)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        body = self._body()
        if self.headers.get_content_type() == "multipart/form-data":
            query |= _form(self.headers["Content-Type"], body)
            body = query.pop("query", "").encode()
        sql = query.get("query", "").encode()
        sql, data = (sql, body) if sql else (body, b"")
        try:
            with self.lock:
                answer, form = self._ask(sql, data, query)
        except Exception as error:  # noqa: BLE001 - as the server says what went wrong
            self._refuse(str(error))
            return
        self._send(200, answer, {"X-ClickHouse-Format": form, "X-ClickHouse-Timezone": "UTC"})

    def _ask(self, sql: bytes, data: bytes, query: dict[str, str]) -> tuple[bytes, str]:
        database = query.get("database")
        if database:
            self.engine.query(f"USE `{database}`")
        if insert := _INSERT.match(sql):
            if not data:
                return b"", "Native"
            return self._insert(insert[1].decode(), insert[2].decode(), data), "Native"
        found = _FORMAT.search(sql)
        form = found[1].decode() if found else query.get("default_format", "Native")
        statement = sql[: found.start()] if found else sql
        if any(name.encode() in statement for name in self.refused):
            raise RuntimeError("Code: 164. DB::Exception: Cannot modify setting in readonly mode")
        text = statement.decode().rstrip().rstrip(";") + self._settings(statement, query)
        parameters = {
            name.removeprefix("param_"): value
            for name, value in query.items()
            if name.startswith("param_")
        }
        answer = (
            self.engine.query(text, form, params=parameters)
            if parameters
            else (self.engine.query(text, form))
        )
        content = bytes(answer.bytes() or b"")
        if "client_protocol_version" in query and form == "Native" and self._is_go():
            content = _with_revision(content)
        return content, form

    def _settings(self, statement: bytes, query: dict[str, str]) -> str:
        wanted = {
            name: value
            for name, value in query.items()
            if name not in _OURS | _NO_SETTINGS and not name.startswith("param_")
        }
        is_select = statement.lstrip()[:6].upper() in (b"SELECT", b"WITH  ") or (
            statement.lstrip()[:4].upper() == b"WITH"
        )
        if not wanted or not is_select or b" SETTINGS " in statement:
            return ""
        return " SETTINGS " + ", ".join(
            f"{name} = {value if value.isdecimal() else repr(value)}"
            for name, value in wanted.items()
        )

    def _insert(self, target: str, form: str, data: bytes) -> bytes:
        with tempfile.NamedTemporaryFile(suffix=".data") as file:
            file.write(data)
            file.flush()
            self.engine.query(f"INSERT INTO {target} FROM INFILE '{file.name}' FORMAT {form}")
        return b""

    def _is_go(self) -> bool:
        return "clickhouse-go" in self.headers.get("User-Agent", "")

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            body = b"".join(self._chunks())
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        return body

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline().split(b";")[0], 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def _refuse(self, message: str) -> None:
        code = _CODE.search(message)
        number = code[1] if code else "1000"
        status = 404 if number == "60" else 500
        self._send(status, message.encode(), {"X-ClickHouse-Exception-Code": number})

    def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        told = {"X-ClickHouse-Query-Id": str(uuid.uuid4()), "X-ClickHouse-Summary": "{}"}
        for name, value in {**told, **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


def _form(content_type: str, body: bytes) -> dict[str, str]:
    whole = b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body
    parts = BytesParser(policy=HTTP).parsebytes(whole)
    return {
        str(part.get_param("name", header="content-disposition")): part.get_content().strip()
        for part in parts.iter_parts()
    }


class _Block:
    """A Native answer of revision 0, read from its beginning."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.position = 0

    def number(self) -> int:
        """Read a whole number of any length."""
        value = shift = 0
        while True:
            byte = self.content[self.position]
            self.position += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    def text(self) -> str:
        """Read a text."""
        length = self.number()
        self.position += length
        return self.content[self.position - length : self.position].decode()

    def value(self, kind: str) -> None:
        """Pass over one value."""
        if kind == "String":
            self.text()
        else:
            self.position += _WIDTHS[kind]


_WIDTHS = {"UInt8": 1, "UInt32": 4, "UInt64": 8}


def _with_revision(content: bytes) -> bytes:
    """Turn a Native answer of revision 0 into what a client of a later revision reads.

    Its blocks have information before them, and a byte after the type of each column.
    """
    block, out = _Block(content), bytearray()

    def copied(begin: int) -> bytes:
        return content[begin : block.position]

    while block.position < len(content):
        begin = block.position
        columns, rows = block.number(), block.number()
        out += b"\x01\x00\x02\xff\xff\xff\xff\x00" + copied(begin)
        for _ in range(columns):
            begin = block.position
            block.text()
            kind = block.text()
            out += copied(begin) + b"\x00"
            begin = block.position
            for _ in range(rows):
                block.value(kind)
            out += copied(begin)
    return bytes(out)


def serve(port: int, directory: str, refused: str, config: str) -> None:
    """Serve until killed; runs in a process of its own."""
    import chdb

    _Front.engine = chdb.connect(f"{directory}?config-file={config}" if config else directory)
    _Front.lock = threading.Lock()
    _Front.refused = frozenset(name for name in refused.split(",") if name)
    for name in _Front.refused:
        _Front.engine.query(f"SET {name} = 'break'")
    ThreadingHTTPServer(("127.0.0.1", port), _Front).serve_forever()


@contextmanager
def clickhouse(directory: Path, refused: str = "", config: str = "") -> Iterator[int]:
    """Run the engine, with a configuration of its own in XML; yield the port of its HTTP front."""
    if find_spec("chdb") is None:
        missing("chdb is not installed: uv pip install --group clickhouse")
    port = free_port()
    file = directory / "config.xml"
    file.write_text(config)
    configured = str(file) if config else ""
    command = [sys.executable, __file__, str(port), str(directory / "data"), refused, configured]
    with (directory / "clickhouse.log").open("wb") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, env={"PYTHONPATH": str(Path(__file__).parents[1])}
        )
    try:
        deadline = time.monotonic() + 180
        while not _answers(port):
            assert process.poll() is None, (directory / "clickhouse.log").read_text()[-2000:]
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield port
    finally:
        process.kill()
        process.wait()


def migrate(port: int, *names: str) -> None:
    """Run some of the optional migrations on the exporter's table."""
    for name in names:
        for statement in statements(name):
            run(port, statement)


def statements(name: str) -> list[str]:
    """Return the statements of one of our files for ClickHouse."""
    lines = (files.directory() / "clickhouse" / name).read_text().splitlines()
    text = "\n".join(line for line in lines if not line.startswith("--"))
    return [statement for statement in text.split(";") if statement.strip()]


def run(port: int, statement: str, database: str = "keytrail") -> str:
    """Run one statement, and return what it gives."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/?database={database}&default_format=TSV",
        data=statement.strip().encode(),
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return str(answer.read().decode())


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=1):
            return True
    except OSError:
        return False


if __name__ == "__main__":
    serve(int(sys.argv[1]), *sys.argv[2:])
