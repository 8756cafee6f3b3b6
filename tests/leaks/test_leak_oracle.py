"""The leak oracle: no byte of a key in anything that a real service lets out."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from cli.cli_kit import keytrail
from keytrail.leaks import calling, planting
from keytrail.leaks.arriving import CARRIERS
from keytrail.leaks.canary import Search
from leaks import rounds
from leaks.conftest import KINDS, ONCE_EACH, Kind
from leaks.rounds import Round
from support.cases import PEPPER
from support.journals import uses_in

SEARCH = Search(rounds.canaries())


@pytest.fixture(params=KINDS, ids=lambda kind: "-".join(kind))
def a_round(request: pytest.FixtureRequest, played: Callable[[Kind], Round]) -> Round:
    """Each round in turn."""
    return played(request.param)


def _none_in(texts: Iterable[bytes]) -> None:
    found = SEARCH.around(texts)
    assert not found, "\n".join(found[:3])


def test_no_key_is_exported(a_round: Round) -> None:
    """Spans and logs, as a real receiver gets them, hold no canary in any spelling."""
    _none_in(a_round.received.bodies["traces"])
    _none_in(a_round.received.bodies["logs"])


def test_no_key_is_in_metrics(a_round: Round) -> None:
    """Metrics hold no canary."""
    _none_in(a_round.received.bodies["metrics"])


def test_no_key_is_written(a_round: Round) -> None:
    """The journal and keytrail's own log lines hold no canary."""
    _none_in(a_round.journal())
    _none_in([a_round.own_lines()])


@pytest.mark.parametrize("command", ["uses --format json", "uses", "keys", "doctor"])
def test_no_key_is_shown(command: str, played: Callable[[Kind], Round]) -> None:
    """What the command line shows of a round holds no canary."""
    home = str(played(ONCE_EACH[0]).home)
    shown = keytrail(*command.split(), KEYTRAIL_HOME=home, KEYTRAIL_PEPPER=PEPPER)
    assert shown.stdout
    _none_in([shown.stdout, shown.stderr])


def test_no_key_is_printed(a_round: Round) -> None:
    """With ``KEYTRAIL_REDACT_LOGS`` the application's own log and the access log hold no canary."""
    assert a_round.printed.count(b"REDACTED") > 500
    _none_in([a_round.printed])


def test_every_key_was_there(a_round: Round) -> None:
    """Each canary that a request or a call carried is a use in the journal, and no fault came."""
    carried = {f"incoming {', '.join(parts)}" for parts in _taken_for_keys()}
    carried |= {f"outgoing {', '.join(parts)}" for parts in _sent()}
    keys = rounds.canaries()
    wanted = {rounds.fingerprint(keys[place]): place for place in carried}
    seen = {use.get("key") for use in uses_in(a_round.home)}
    assert {wanted[one] for one in wanted.keys() - seen} == set()
    faults = set(re.findall(rb"fault in (.+)", a_round.own_lines()))
    assert faults == {b"redaction.hash: ValueError"}, "the forged hash, and nothing else"


def _taken_for_keys() -> Iterable[tuple[str, str, str]]:
    return (parts for parts in rounds.incoming() if parts[0] in CARRIERS)


def _sent() -> Iterable[tuple[str, str, str]]:
    """Leave out what was never sent: there is no use in it."""
    for client, carrier, outcome in rounds.outgoing():
        refused = outcome == "invalid header" and client == "requests"
        unconnected = outcome == "refused over TLS" and client in ("requests", "urllib3")
        unsent = client == "urllib3" and carrier == "userinfo"
        if not (refused or unconnected or unsent):
            yield client, carrier, outcome


def test_without_keytrail_every_place_leaks(tmp_path: Path) -> None:
    """The same round without keytrail: the search finds a canary of every place, in the thousands.

    What it must find nothing of without keytrail would prove nothing with it.
    """
    bare = rounds.play("flask", tmp_path, keytrail=False, OTEL_SEMCONV_STABILITY_OPT_IN="http/dup")
    found = SEARCH.leaks(*bare.received.everything())
    places = {leak.place for leak in found}
    planted = {parts[1] for parts in map(_parts, places) if parts[0].startswith("incoming")}
    called = {_parts(place)[0] for place in places if place.startswith("outgoing")}
    assert planted >= planting.PLACES.keys() - {"nowhere"}
    assert called == {f"outgoing {client}" for client in calling.CLIENTS}
    assert places >= {"resource", "404 path"}
    by_form = Counter[str]()
    for leak, count in found.items():
        by_form[leak.form] += count
    assert by_form["raw"] > 1000
    assert {form for form in by_form if by_form[form]} >= {
        "raw",
        "percent-encoded",
        "percent-encoded twice",
        "hex",
        "repr",
        "JSON",
        "slice",
        *(f"base64 after {number} bytes" for number in range(3)),
    }


def _parts(place: str) -> list[str]:
    return place.split(", ")
