"""Whatever happens to the Collector or its destination, queue and journal together lose nothing."""

from __future__ import annotations

import gzip
import json
import random
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from keytrail.collector import replay as replaying
from support.otelcol import Collector, Receiver, collector, post, receiver, scraped, span, traces
from support.services import SCRIPTS, clean_environ, free_port
from support.waiting import eventually

STANDALONE = Path(__file__).parents[2] / "collector-config" / "standalone.yaml"
AUDIT = {"keytrail.schema_version": "1.0", "keytrail.sampled": False}
IN_REQUEST = 50


class Load:
    """Sends audit spans, again what was not acknowledged, as a service under keytrail does."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.acknowledged: list[str] = []
        self.running = True
        self._thread = threading.Thread(target=self._send, daemon=True)

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.running = False
        self._thread.join(60)

    def _send(self) -> None:
        number = 1
        while self.running:
            numbers = range(number, number + IN_REQUEST)
            body = traces(*(span(one, AUDIT) for one in numbers))
            while not self._is_taken(body):
                time.sleep(0.02)
            self.acknowledged += [f"{one:016x}" for one in numbers]
            number += IN_REQUEST

    def _is_taken(self, body: bytes) -> bool:
        try:
            return post(self.port, "/v1/traces", body) == 200
        except (OSError, Exception):  # noqa: BLE001 - whatever a killed server makes of it
            return False


def send(running: Collector, count: int, first: int = 1) -> set[str]:
    """Send so many audit spans and return their ids; every request must be acknowledged."""
    for start in range(first, first + count, IN_REQUEST):
        spans = (span(number, AUDIT) for number in range(start, start + IN_REQUEST))
        assert post(running.port, "/v1/traces", traces(*spans)) == 200
    return {f"{number:016x}" for number in range(first, first + count)}


def journaled(directory: Path) -> list[str]:
    """Return the span ids in the journal; half a request, of a kill, may stand before a whole."""
    return [
        one["spanId"]
        for path in (directory / "state" / "journal").glob("audit*.jsonl")
        for line in path.read_text().splitlines()
        for resource in json.loads(line[line.rindex('{"resourceSpans":') :])["resourceSpans"]
        for scope in resource["scopeSpans"]
        for one in scope["spans"]
    ]


@contextmanager
def auditing(tmp_path: Path, endpoint: str, **environ: str) -> Iterator[Collector]:
    with collector(tmp_path, [STANDALONE], KEYTRAIL_AUDIT_ENDPOINT=endpoint, **environ) as running:
        yield running


def failed(running: Collector) -> float:
    """Return what the Collector says that it could not deliver to the audit's destination."""
    return sum(
        value
        for name, value in scraped(running.telemetry).items()
        if name.startswith("otelcol_exporter_send_failed_spans") and "keytrail_audit" in name
    )


def replay(tmp_path: Path, target: Receiver, *options: str, told: str = "") -> str:
    """Run ``keytrail collector replay`` and return what it printed; ``told`` is on stderr."""
    command = [
        str(SCRIPTS / "keytrail"),
        *("collector", "replay", str(tmp_path / "state" / "journal")),
        *("--endpoint", target.url, *options),
    ]
    environ = clean_environ(TOKEN="new")
    done = subprocess.run(command, capture_output=True, text=True, env=environ, check=False)
    assert (done.returncode, done.stderr) == (0, told)
    return done.stdout


def test_ten_kills_under_load_lose_nothing(tmp_path: Path) -> None:
    """Ten times kill -9 under load: all that was acknowledged arrives, and is in the journal."""
    dice = random.Random(8)
    with receiver() as destination, auditing(tmp_path, destination.url) as running:
        with Load(running.port) as load:
            for _ in range(10):
                reached = len(load.acknowledged)
                eventually(lambda: len(load.acknowledged) > reached + 5 * IN_REQUEST)  # noqa: B023
                time.sleep(dice.random() / 5)  # the kill shall not always meet the same moment
                running.kill()
                running.start()
        acknowledged = set(load.acknowledged)
        eventually(lambda: acknowledged <= set(destination.span_ids()))
        assert acknowledged <= set(journaled(tmp_path))
        arrived = {one.span_id: one.SerializeToString() for one in destination.spans()}
        for one in destination.spans():
            assert one.SerializeToString() == arrived[one.span_id]
    assert len(acknowledged) == len(load.acknowledged) >= 50 * IN_REQUEST


def test_a_destination_that_was_down_gets_everything(tmp_path: Path) -> None:
    """A destination that is down through kills and for the whole run gets every span afterwards."""
    port = free_port()
    with auditing(tmp_path, f"http://127.0.0.1:{port}") as running:
        sent = send(running, 500)
        running.kill()
        running.start()
        sent |= send(running, 500, first=501)
        with receiver(port) as destination:
            eventually(lambda: sent <= set(destination.span_ids()))
            assert failed(running) == 0
    assert sorted(set(journaled(tmp_path))) == sorted(sent)


def test_what_a_refusing_destination_drops_is_in_the_journal(tmp_path: Path) -> None:
    """500 and 401 empty the queue: the metric tells it, the journal has it, replay delivers it."""
    with receiver() as destination, auditing(tmp_path, destination.url) as running:
        early = send(running, 100)
        eventually(lambda: early <= set(destination.span_ids()))
        lost: set[str] = set()
        for count, status in ((1, 500), (2, 401)):
            destination.status = status
            lost |= send(running, 100, first=1000 * count)
            eventually(lambda: failed(running) == 100 * count)  # noqa: B023
        destination.status = 200
        late = send(running, 100, first=5000)
        eventually(lambda: early | late <= set(destination.span_ids()))
        assert lost.isdisjoint(destination.span_ids())
        assert set(journaled(tmp_path)) == early | lost | late
        assert replay(tmp_path, destination) == "400 spans in 8 requests\n"
        assert set(destination.span_ids()) == early | lost | late


def test_an_expired_token_costs_nothing(tmp_path: Path) -> None:
    """What was sent with an expired token is replayed with the new one, and only that."""
    with receiver() as destination:
        destination.authorization = "Bearer old"
        with auditing(
            tmp_path, destination.url, KEYTRAIL_AUDIT_AUTHORIZATION="Bearer old"
        ) as running:
            before = send(running, 100)
            eventually(lambda: before <= set(destination.span_ids()))
            destination.authorization = "Bearer new"
            expired = send(running, 100, first=101)
            eventually(lambda: failed(running) == 100)
        since = "2023-11-14T22:13:20.000000101Z"  # where the ids begin that were refused
        told = replay(
            tmp_path, destination, "--since", since, "--header", "Authorization=Bearer $TOKEN"
        )
        assert told == "100 spans in 2 requests\n"
        assert sorted(destination.span_ids()) == sorted(before | expired)


def test_a_full_queue_sends_back_what_it_does_not_take(tmp_path: Path) -> None:
    """A full queue answers so that senders try again, and loses nothing of what it took."""
    port = free_port()
    with auditing(tmp_path, f"http://127.0.0.1:{port}", KEYTRAIL_QUEUE_SPANS="2500") as running:
        numbers = iter(range(1, 100_000, IN_REQUEST))
        taken: set[str] = set()
        for start in numbers:
            ids = range(start, start + IN_REQUEST)
            status = post(running.port, "/v1/traces", traces(*(span(one, AUDIT) for one in ids)))
            if status != 200:
                break
            taken |= {f"{one:016x}" for one in ids}
        assert status == 503
        with receiver(port) as destination:
            eventually(lambda: taken <= set(destination.span_ids()))


def test_queue_and_journal_are_closed_to_others(tmp_path: Path) -> None:
    """The directories that hold client addresses open to their owner alone."""
    with auditing(tmp_path, "http://127.0.0.1:9") as running:
        send(running, 50)
        modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "state").iterdir()}
    assert modes == {"queue": 0o700, "journal": 0o700}


def test_a_full_disk_sends_back_what_is_not_journaled(tmp_path: Path) -> None:
    """While the journal's disk is full nothing is acknowledged, and a metric tells it."""
    journal = tmp_path / "state" / "journal"
    journal.mkdir(parents=True)
    (journal / "audit.jsonl").symlink_to("/dev/full")
    with receiver() as destination, auditing(tmp_path, destination.url) as running:
        assert post(running.port, "/v1/traces", traces(span(1, AUDIT), span(2, AUDIT))) == 503
        name = 'otelcol_exporter_send_failed_spans{exporter="file/keytrail_journal"}'
        eventually(lambda: scraped(running.telemetry).get(name) == 2)


def test_what_stands_behind_a_torn_request_is_replayed(tmp_path: Path) -> None:
    """Half a request, which a full disk leaves, takes nothing of the next one with it."""
    with auditing(tmp_path, "http://127.0.0.1:9") as running:
        send(running, 100)
    journal = tmp_path / "state" / "journal" / "audit.jsonl"
    first, second = journal.read_bytes().splitlines()
    journal.write_bytes(first[: len(first) // 2] + second + b"\n")
    with receiver() as destination:
        told = "keytrail: audit.jsonl:1 is no request, or torn; what is whole of it was sent\n"
        assert replay(tmp_path, destination, told=told) == "50 spans in 1 requests\n"
        assert destination.span_ids() == [f"{number:016x}" for number in range(51, 101)]


def test_packed_files_are_replayed(tmp_path: Path) -> None:
    """What somebody packed to save room is sent too; one that breaks off is named."""
    with auditing(tmp_path, "http://127.0.0.1:9") as running:
        send(running, 100)
    journal = tmp_path / "state" / "journal"
    packed = gzip.compress((journal / "audit.jsonl").read_bytes())
    (journal / "audit.jsonl").unlink()
    (journal / "audit-2026-01-01T00-00-00.000-size.jsonl.gz").write_bytes(packed)
    with receiver() as destination:
        assert replay(tmp_path, destination) == "100 spans in 2 requests\n"
        assert destination.span_ids() == [f"{number:016x}" for number in range(1, 101)]
    (journal / "audit-2026-01-01T00-00-00.000-size.jsonl.gz").write_bytes(packed[:40])
    with receiver() as destination:
        replay(
            tmp_path,
            destination,
            told="keytrail: audit-2026-01-01T00-00-00.000-size.jsonl.gz:1 is no request, or torn; "
            "what is whole of it was sent\n",
        )


def test_a_replay_bears_a_collector_that_goes_on_writing(tmp_path: Path) -> None:
    """What was in the journal is sent once, though its newest file is renamed, its oldest gone."""
    oldest, older, newest = (tmp_path / f"audit{one}.jsonl" for one in ("-2026-01", "-2026-02", ""))
    for number, path in enumerate((oldest, older, newest)):
        path.write_text(json.dumps(request_of(number)) + "\n")
    sent: list[bytes] = []

    def rotating(body: bytes) -> None:
        if not sent:
            older.unlink()
            newest.rename(tmp_path / "audit-2026-03.jsonl")
            newest.write_text(json.dumps(request_of(3)) + "\n")
        sent.append(body)

    assert replaying.replay(tmp_path, rotating).spans == 2
    assert list(map(json.loads, sent)) == [request_of(0), request_of(2)]


def request_of(number: int) -> dict[str, object]:
    """Return a request of one span as the journal has it."""
    spans = [{"spanId": f"{number:016x}", "startTimeUnixNano": str(number)}]
    return {"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}
