"""Where Tempo is silent, and what is told instead."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from keytrail.questions import Answer, keys, uses
from keytrail.settings import Settings
from keytrail.sources import CannotAnswer, LocalSource, connect
from keytrail.sources.source import USE_COLUMNS
from keytrail.store.moments import rfc3339
from sources import seeded, tempo_contract
from sources.seeded import BEGIN, F3, F4, NOW
from sources.tempo_contract import SECOND, Tempo


@pytest.fixture
def tempo_alone() -> Iterator[Tempo]:
    """A Tempo of this test's own with the seeded uses."""
    with tempo_contract.tempo() as running:
        for request in seeded.requests():
            running.take(ExportTraceServiceRequest.FromString(request))
        yield running


def _uses(tempo: Tempo, options: str = "", **filters: Any) -> Answer:
    return uses(connect(Settings(), tempo.address + options), **{"since": "1d", **filters})


@pytest.mark.parametrize("limit", [5, 25])
def test_a_limit_is_never_taken_for_the_end(
    truth: LocalSource, tempo_alone: Tempo, limit: int
) -> None:
    """The first traces in no order, without a word on the others: the window is cut."""
    found = _uses(tempo_alone, f"?limit={limit}", key=F3)
    assert [row[0] for row in found.rows] == [row[0] for row in uses(truth, key=F3).rows]
    assert found.completeness.worth == "bounded"


def test_a_window_that_is_too_long_is_cut(truth: LocalSource, tempo_alone: Tempo) -> None:
    """Also where its operator allows less than is documented."""
    found = uses(
        connect(Settings(), f"{tempo_alone.address}?window=100000000"), since="40d", key=F3
    )
    assert [row[0] for row in found.rows] == [row[0] for row in uses(truth, key=F3).rows]


def test_a_trace_with_more_matches_than_a_search_shows_is_read_whole(tempo_alone: Tempo) -> None:
    """Two hundred calls in one trace."""
    request = ExportTraceServiceRequest.FromString(seeded.requests()[0])
    del request.resource_spans[1:]
    spans = request.resource_spans[0].scope_spans[0].spans
    del spans[1:]
    spans[0].trace_id = b"t" * 16
    for number in range(200):
        spans[0].span_id = (5000 + number).to_bytes(8, "big")
        tempo_alone.take(ExportTraceServiceRequest.FromString(request.SerializeToString()))
    assert len(list(_uses(tempo_alone, trace=(b"t" * 16).hex()).rows)) == 200
    answer = keys(connect(Settings(), tempo_alone.address), since="1d")
    count = sum(int(str(row[answer.columns.index("uses")])) for row in answer.rows)
    assert count == len(seeded.uses()) + 200


def test_a_cap_that_it_does_not_tell_is_seen(truth: LocalSource, tempo_alone: Tempo) -> None:
    """It gives thirty traces, however many it was asked for."""
    tempo_alone.cap = 30
    assert [row[0] for row in _uses(tempo_alone).rows] == [row[0] for row in uses(truth).rows]


def test_a_limit_above_its_own_is_lowered(truth: LocalSource, tempo_alone: Tempo) -> None:
    """Tempo 3 refuses a limit above its operator's."""
    tempo_alone.most = 60
    assert [row[0] for row in _uses(tempo_alone).rows] == [row[0] for row in uses(truth).rows]


def test_a_key_is_found_by_its_first_digits_without_reading_all(tempo_alone: Tempo) -> None:
    """A search for them finds which key is meant."""
    found = _uses(tempo_alone, key=F4[:8])
    assert {row[1] for row in found.rows} == {F4}
    assert tempo_alone.searched
    assert not [query for query in tempo_alone.searched if "key.hash" not in query]


def test_an_older_tempo_gives_traces_too(tempo_alone: Tempo) -> None:
    """By the path that it has."""
    tempo_alone.gives_v2 = False
    found = _uses(tempo_alone, trace=f"{300:032x}")
    assert len([*found.rows]) == 3
    assert found.completeness.worth == "bounded"


def test_a_trace_that_is_found_and_not_given_is_truncated(tempo_alone: Tempo) -> None:
    """It has more spans than a search shows, and the rest cannot be read."""
    tempo_alone.stores_traces = False
    for _ in range(101):
        tempo_alone.kept.append(tempo_alone.kept[0])
    found = _uses(tempo_alone)
    assert len([*found.rows]) == len(seeded.uses())
    assert found.completeness.worth == "truncated"
    assert found.completeness.reasons[0] == "Tempo does not give a trace that it has found"


def test_a_search_that_stopped_early_is_truncated(tempo_alone: Tempo) -> None:
    """It says so in its jobs alone."""
    tempo_alone.jobs = (3, 4)
    found = _uses(tempo_alone, since="2m", key=F4)
    assert found.completeness.worth == "truncated"
    assert found.completeness.reasons[0] == ("Tempo stopped a search before its end")


def test_a_trace_that_is_too_large_is_truncated(tempo_alone: Tempo) -> None:
    """PARTIAL is the status of its answer."""
    tempo_alone.partial = True
    found = _uses(tempo_alone, trace=f"{300:032x}")
    assert found.completeness.worth == "truncated"
    assert found.completeness.reasons[0] == (
        "Tempo gave a part of a trace only: it is too large for it"
    )


def test_a_trace_that_is_refused_as_too_large_is_truncated(tempo_alone: Tempo) -> None:
    """What the search showed of it is told."""
    tempo_alone.too_large = True
    for _ in range(101):
        tempo_alone.kept.append(tempo_alone.kept[0])
    found = _uses(tempo_alone)
    assert len([*found.rows]) == len(seeded.uses())
    assert found.completeness.worth == "truncated"
    assert found.completeness.reasons[0] == (
        "Tempo gave a part of a trace only: it is too large for it"
    )


def test_what_arrived_late_is_found_where_it_arrived(
    truth: LocalSource, tempo_alone: Tempo
) -> None:
    """After an outage a journal delivers hours later; a search over its own time misses it."""
    for one in tempo_alone.kept:
        object.__setattr__(one, "arrived", NOW / SECOND)
    since, until = rfc3339(BEGIN), rfc3339(BEGIN + 50 * 60 * SECOND)
    found = _uses(tempo_alone, key=F3, since=since, until=until)
    expected = uses(truth, key=F3, since=since, until=until)
    assert [row[0] for row in found.rows] == [row[0] for row in expected.rows]


def test_late_spans_are_told_unless_the_operator_has_seen_to_them(tempo_alone: Tempo) -> None:
    """The profile of a Tempo whose slack is long says so."""
    assert len(_uses(tempo_alone, key=F3).completeness.reasons) == 3
    assert len(_uses(tempo_alone, "?late=never", key=F3).completeness.reasons) == 2


def test_a_tempo_that_does_not_know_parents_is_asked_without(
    truth: LocalSource, tempo_alone: Tempo
) -> None:
    """An older one cannot select them; the rest of the row stays."""
    tempo_alone.knows_parents = False
    parent = USE_COLUMNS.index("parent_span_id")
    found = [*_uses(tempo_alone, key=F4).rows]
    assert [row[0] for row in found] == [row[0] for row in uses(truth, key=F4).rows]
    assert {row[parent] for row in found} == {None}


def test_a_tenant_and_a_credential_are_sent(
    tempo_alone: Tempo, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the profile says, the secret from the environment."""
    profiles = tmp_path / "sources.toml"
    profiles.write_text(
        f'[audit]\nurl = "{tempo_alone.address}"\ntenant = "security"\n'
        'headers = { Authorization = "Bearer $TEMPO_TOKEN" }\n'
    )
    monkeypatch.setenv("KEYTRAIL_SOURCES", str(profiles))
    monkeypatch.setenv("TEMPO_TOKEN", "t0ken")
    list(uses(connect(Settings(), "audit"), key=F3, since="1d").rows)
    sent = {name.lower(): value for name, value in tempo_alone.requests[-1][1].items()}
    assert (sent["x-scope-orgid"], sent["authorization"]) == ("security", "Bearer t0ken")


def test_something_else_than_tempo_is_told(tempo_alone: Tempo) -> None:
    """An address of Jaeger's kind at Tempo's server."""
    with pytest.raises(CannotAnswer) as caught:
        keys(connect(Settings(), tempo_alone.address.replace("tempo", "jaeger")))
    assert str(caught.value).endswith("hint: is this the address of its query API?")
