"""OTLP/JSON lines, as the official file exporter and the Collector write them, into the store."""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from keytrail import semconv
from keytrail.journal.codec import encode
from keytrail.journal.columns import ECHOES, OF_ATTRIBUTE
from keytrail.journal.records import Origin, encode_record, origin_content
from keytrail.journal.segment import now
from keytrail.store import otlp_json
from keytrail.store.errors import StoreError
from keytrail.store.ledger import opened
from keytrail.store.sealing import batch

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import BinaryIO

    from opentelemetry.sdk.trace import ReadableSpan

    from keytrail.store.ledger import Ledger
    from keytrail.store.signing import Signer

_MOST_BYTES: Final = 256 * 1024 * 1024
"""Of lines that one step into the store takes; a killed import has done the steps before."""
_COMPRESSED: Final = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd")
"""How gzip and zstd begin."""
_GIVE_LINES: Final = "give files of OTLP/JSON lines; what was read before this one is in the store"


@dataclass(slots=True)
class Imported:
    """What was read, and what became of it."""

    spans: int = 0
    uses: int = 0
    """New in the store."""
    duplicates: int = 0
    """Uses that were there already, or twice in what was read."""
    foreign: int = 0
    """Spans without keytrail's attributes, which tell of no key."""
    raw: int = 0
    """Attributes that had something else where a fingerprint belongs, and were left out."""
    bad: int = 0
    """Whole lines that are no OTLP/JSON of spans, and spans in one that cannot be read."""
    torn: int = 0
    """Files whose last line was cut."""


def import_files(home: Path, signer: Signer, paths: Sequence[Path]) -> Imported:
    """Seal the uses in files of OTLP/JSON lines; a use that was there already stays once.

    Raises:
        StoreError: a file cannot be read, or the store not be changed.
    """
    done = Imported()
    spans = _spans(paths, done)
    with opened(home, signer) as ledger:
        while _import_some(ledger, spans, done):
            pass
    return done


def _import_some(ledger: Ledger, spans: Iterator[ReadableSpan], done: Imported) -> bool:
    with tempfile.TemporaryDirectory(prefix="keytrail-") as directory:
        path = Path(directory) / "import.ndjson"
        with path.open("wb") as segment:
            written = _write(spans, segment)
        if not written:
            return False
        with batch(ledger, [str(path)]) as one:
            files, folded = one.write()
            new = sum(file.uses for file in files) - sum(file.uses for file in folded)
            done.uses += new
            done.duplicates += written - new
            ledger.commit("import", files, [file.path for file in folded], read=asdict(done))
    return True


def _write(spans: Iterator[ReadableSpan], segment: BinaryIO) -> int:
    origins: set[str] = set()
    written = 0
    for span in spans:
        origin = origin_content(Origin(span.resource, span.instrumentation_scope))
        if origin["origin"] not in origins:
            origins.add(origin["origin"])
            segment.write(encode_record("origin", now(), **origin))
        segment.write(encode(span, _columns(span), origin["origin"]))
        written += 1
        if segment.tell() >= _MOST_BYTES:
            break
    return written


def _columns(span: ReadableSpan) -> dict[str, Any]:
    attributes = span.attributes or {}
    columns: dict[str, Any] = {
        column: attributes[name] for name, column in ECHOES if name in attributes
    }
    if isinstance(path := columns.get("path"), str):
        columns["path"] = path.partition("?")[0]
    columns.update(
        (column, attributes[name]) for name, column in OF_ATTRIBUTE.items() if name in attributes
    )
    columns["duration"] = max((span.end_time or 0) - (span.start_time or 0), 0) / 1e9
    if (service := span.resource.attributes.get("service.name")) is not None:
        columns["service"] = service
    return columns


def _spans(paths: Sequence[Path], done: Imported) -> Iterator[ReadableSpan]:
    """Yield the uses, counting what is none."""
    for path in paths:
        for line in _lines(path):
            found = _read(line, done)
            if found is None:
                done.torn += not line.endswith(b"\n")
                done.bad += line.endswith(b"\n")
                continue
            spans = [span for span in found if span is not None]
            done.bad += len(found) - len(spans)
            done.spans += len(spans)
            uses = [span for span in spans if _is_use(span.attributes or {})]
            done.foreign += len(spans) - len(uses)
            yield from uses


def _read(line: bytes, done: Imported) -> list[ReadableSpan | None] | None:
    if not line.strip():
        return []
    try:
        message = json.loads(line)
        done.raw += _leave_out_raw(message)
        return list(otlp_json.from_json(message))
    except otlp_json.UNREADABLE:
        return None


def _leave_out_raw(message: Any) -> int:
    """Take out what stands where a fingerprint belongs and is none: it may be the key itself."""
    left_out = 0
    for of_resource in message["resourceSpans"]:
        for of_scope in of_resource.get("scopeSpans", ()):
            told = [_without_raw(span) for span in of_scope.get("spans", ())]
            of_scope["spans"] = [span for span, _ in told]
            left_out += sum(raw for _, raw in told)
    return left_out


def _without_raw(span: Any) -> tuple[Any, int]:
    """Return ``None`` for a span that cannot be read, which costs itself alone."""
    try:
        told = span.get("attributes", [])
        kept = [one for one in told if not _is_raw(one)]
        return {**span, "attributes": kept}, len(told) - len(kept)
    except otlp_json.UNREADABLE:
        return None, 0


def _is_raw(attribute: Mapping[str, Any]) -> bool:
    if attribute["key"] not in semconv.HASHES:
        return False
    value = attribute.get("value", {})
    texts = value["arrayValue"].get("values", ()) if "arrayValue" in value else (value,)
    return not all(semconv.FINGERPRINT.fullmatch(one.get("stringValue", "")) for one in texts)


def _is_use(attributes: Mapping[str, object]) -> bool:
    return semconv.SCHEMA_VERSION in attributes


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            if file.read(4).startswith(_COMPRESSED):
                raise StoreError(f"{path} is compressed\nhint: {_GIVE_LINES}")
            file.seek(0)
            yield from file
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}\nhint: {_GIVE_LINES}") from None
