"""The demo's own checks: every request is in the journal, and no raw key is anywhere."""

from __future__ import annotations

import base64
from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from keytrail.demo.cast import Cast
    from keytrail.demo.load import Answered
    from keytrail.demo.story import Use
    from keytrail.settings import Secret
    from keytrail.sources import Completeness

_SLICE: Final = 8


class Counted(NamedTuple):
    """What uses are counted by; ``key`` is a fingerprint, or ``None`` where no key was sent."""

    service: str
    direction: str
    key: str | None
    status: int


def expected_uses(
    answers: Iterable[Answered], cast: Cast, fingerprint: Callable[[Secret], str]
) -> Counter[Counted]:
    """Return the uses that ``answers`` must have left in the journal, those downstream included."""
    expected: Counter[Counted] = Counter()
    keys = {caller.name: fingerprint(caller.key) for caller in cast.callers}
    warehouse = fingerprint(cast.warehouse_key)
    payments, shipping = fingerprint(cast.payments_key), fingerprint(cast.shipping_key)
    for answer in answers:
        caller = answer.request.caller
        key = None if caller.carrying == "nowhere" else keys[caller.name]
        expected[Counted(caller.service, "incoming", key, answer.status)] += 1
        match answer.request.method, answer.request.route, answer.status:
            case "POST", "/orders", 201 | 402 as status:
                expected[Counted("orders", "outgoing", warehouse, 201)] += 1
                expected[Counted("warehouse", "incoming", warehouse, 201)] += 1
                expected[Counted("warehouse", "outgoing", shipping, 200)] += 1
                charged = 200 if status == 201 else 402
                expected[Counted("orders", "outgoing", payments, charged)] += 1
            case "GET", "/exports/orders", 200:
                expected[Counted("orders", "outgoing", warehouse, 200)] += 1
                expected[Counted("warehouse", "incoming", warehouse, 200)] += 1
            case "GET", "/exports/cardholders", 200:
                expected[Counted("orders", "outgoing", payments, 200)] += 1
    return expected


def recorded_uses(uses: Iterable[Use]) -> Counter[Counted]:
    """Return the uses that the journal has."""
    return Counter(
        Counted(use["service"], use["direction"], use["key"], use["status"]) for use in uses
    )


def differences(expected: Counter[Counted], uses: Iterable[Use], keys: Iterable[Use]) -> list[str]:
    """Return one sentence for each count, of a status or of a key, that is not what it must be."""
    recorded = recorded_uses(uses)
    wrong = [
        f"{use.service}, {use.direction}, key {_short(use.key)}, status {use.status}: "
        f"{recorded[use]} recorded, {expected[use]} sent"
        for use in sorted(expected | recorded, key=str)
        if recorded[use] != expected[use]
    ]
    sums: Counter[tuple[str, str | None]] = Counter()
    for use, count in expected.items():
        sums[use.direction, use.key] += count
    told = Counter({(key["direction"], key["key"]): key["uses"] for key in keys})
    wrong += [
        f"{direction}, key {_short(key)}: {told[direction, key]} told, {sums[direction, key]} sent"
        for direction, key in sorted(sums | told, key=str)
        if told[direction, key] != sums[direction, key]
    ]
    return wrong


def _short(key: str | None) -> str:
    return "none" if key is None else key[:12]


def incomplete(completeness: Completeness) -> list[str]:
    """Return why the report is not exact; nothing where it is."""
    if completeness.worth == "exact":
        return []
    return [f"the report is {completeness.worth}", *completeness.reasons]


def raw_keys(directory: Path, printed: str, keys: Iterable[Secret]) -> list[str]:
    """Return where a key, or a part of one in any spelling, was left or printed."""
    forms = [form for key in keys for form in _forms(key.reveal())]
    files = [path for path in sorted(directory.rglob("*")) if path.is_file()]
    holders = [str(path) for path in files if _holds(path.read_bytes(), forms)]
    if _holds(printed.encode(), forms):
        holders.append("what was printed")
    return [f"{holder} holds a raw key, or a part of one" for holder in holders]


def _holds(content: bytes, forms: Iterable[bytes]) -> bool:
    return any(form in content for form in forms)


def _forms(key: str) -> Iterator[bytes]:
    """Yield the ways in which a key could be spelled.

    Every eight characters of what follows the prefix, the whole percent-encoded and in hex, and its
    base64 wherever it may stand in a longer text.
    """
    secret = key.rpartition("_")[2]
    for start in range(len(secret) - _SLICE + 1):
        yield secret[start : start + _SLICE].encode()
    raw = key.encode()
    yield quote(key, safe="").encode()
    yield "".join(f"%{byte:02X}" for byte in raw).encode()
    yield raw.hex().encode()
    yield raw.hex().upper().encode()
    for before in range(3):
        yield from _base64_after(before, raw)


def _base64_after(before: int, raw: bytes) -> Iterator[bytes]:
    """Yield what is always there of the base64 of ``raw`` after ``before`` unknown bytes."""
    unknown = bytes(before)
    whole = (before + len(raw)) // 3 * 4
    first = (before * 8 + 5) // 6
    yield base64.b64encode(unknown + raw)[first:whole]
    yield base64.urlsafe_b64encode(unknown + raw)[first:whole]
