"""One client address, or one key, taken out of all that is sealed, and noted in the manifest.

A client's address becomes ``REDACTED`` wherever it stands in a row; the uses stay. The uses of a
key go, and where other rows tell its fingerprint, that becomes ``REDACTED``.
"""

# ruff: noqa: S608 - SQL is put together from names of our own columns, and texts that are quoted

from __future__ import annotations

import re
import tempfile
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import duckdb

from keytrail.journal.aftermath import REFUSED, alone
from keytrail.journal.columns import COLUMNS
from keytrail.journal.segment import segments
from keytrail.semconv import REDACTED
from keytrail.store import disk, sealed
from keytrail.store.errors import StoreError
from keytrail.store.ledger import opened
from keytrail.store.live import Flaws
from keytrail.store.networks import Network, is_within
from keytrail.store.reading import SEALING_MEMORY, connect, quoted, sealed_rows
from keytrail.store.sealing import seal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from duckdb import DuckDBPyConnection

    from keytrail.store.ledger import Ledger
    from keytrail.store.manifest import SealedFile
    from keytrail.store.signing import Signer

_TEXTS: Final = tuple(
    name for name, kind in COLUMNS.items() if kind in ("text", "json") and name != "record"
)


@dataclass(frozen=True, slots=True)
class Target:
    """What is to go."""

    what: Literal["client", "key"]
    network: Network | None = None
    fingerprint: str | None = None


@dataclass(frozen=True, slots=True)
class Erased:
    """What was found, and taken out where that was asked for."""

    uses: int
    files: int
    left: tuple[str, ...]
    """Segments that still hold it: they are being written, or wait for delivery."""


@dataclass(frozen=True, slots=True)
class _Hit:
    file: SealedFile
    uses: int
    first: int
    last: int


def erase(
    home: Path, signer: Signer, target: Target, note: str = "", *, only_count: bool
) -> Erased:
    """Take ``target`` out of everything that is sealed, and of the closed segments, sealed first.

    ``note`` stands in the manifest beside how many uses it was; what it was does not.

    Raises:
        StoreError: the store cannot be changed.
    """
    if not only_count:
        seal(home, signer)
    with opened(home, signer) as ledger:
        with _searching(home) as connection:
            files = ledger.manifest.files
            pattern = _pattern(connection, home, files, target)
            hits = [hit for file in files if (hit := _hit(connection, home, file, pattern))]
            if hits and not only_count:
                _rewrite(connection, ledger, hits, target, pattern, note)
        sought = re.compile(pattern.encode())
        if not only_count:
            _clean_refused(home, sought)
        left = _left(home, sought)
    return Erased(sum(hit.uses for hit in hits), len(hits), left)


@contextmanager
def _searching(home: Path) -> Iterator[DuckDBPyConnection]:
    with tempfile.TemporaryDirectory(prefix="keytrail-") as spill:
        try:
            with closing(connect(spill, SEALING_MEMORY)) as connection:
                yield connection
        except duckdb.Error as error:
            raise StoreError(
                f"the store in {home} cannot be searched: {str(error).splitlines()[0]}\n"
                "hint: nothing was erased; `keytrail verify` tells whether a sealed file is missing"
                " or was changed"
            ) from None


def _pattern(
    connection: DuckDBPyConnection, home: Path, files: Sequence[SealedFile], target: Target
) -> str:
    """Return an expression with one group before and one behind what is to go."""
    if target.network is None:
        return f"(){target.fingerprint}()"
    written = {str(target.network.network_address)} if _is_single(target.network) else set()
    if files:
        paths = [str(home / file.path) for file in files]
        clients = connection.execute(
            f"SELECT DISTINCT client FROM ({sealed_rows(paths)}) WHERE client IS NOT NULL"
        ).fetchall()
        written |= {client for (client,) in clients if is_within(client, target.network)}
    texts = "|".join(re.escape(text) for text in sorted(written)) or r"\z"
    if target.network.version == 4:
        return rf"(^|[^0-9.])(?:{texts})($|[^0-9.]|\.$|\.[^0-9])"
    return f"(^|[^0-9A-Fa-f:])(?:{texts})($|[^0-9A-Fa-f:])"


def _is_single(network: Network) -> bool:
    return network.num_addresses == 1


def _hit(connection: DuckDBPyConnection, home: Path, file: SealedFile, pattern: str) -> _Hit | None:
    matches = " OR ".join(
        f"coalesce(regexp_matches({name}, {quoted(pattern)}), false)" for name in _TEXTS
    )
    rows, uses, first, last = connection.execute(
        "SELECT count(*), count(*) FILTER (record IS NULL), min(time), max(time) "
        f"FROM ({sealed_rows([str(home / file.path)])}) WHERE {matches}"
    ).fetchall()[0]
    return _Hit(file, uses, first, last) if rows else None


def _rewrite(
    connection: DuckDBPyConnection,
    ledger: Ledger,
    hits: Sequence[_Hit],
    target: Target,
    pattern: str,
    note: str,
) -> None:
    connection.execute("SET preserve_insertion_order = false")
    written = []
    for day, of_day in _by_day(hits):
        rows = sealed_rows([str(ledger.home / hit.file.path) for hit in of_day])
        kept = "true"
        if target.fingerprint is not None:
            kept = f"coalesce(key != {quoted(target.fingerprint)}, true)"
        redacted = ", ".join(f"{_redacted(name, pattern)} AS {name}" for name in _TEXTS)
        flaws = sum((Flaws(hit.file.bad, hit.file.torn) for hit in of_day), Flaws(0, 0))
        written.append(
            sealed.write(
                connection,
                ledger,
                day,
                f"SELECT * EXCLUDE (filename) REPLACE ({redacted}) FROM ({rows}) WHERE {kept}",
                flaws,
            )
        )
    ledger.commit(
        "erase",
        [file for file in written if file is not None],
        [hit.file.path for hit in hits],
        what=target.what,
        uses=sum(hit.uses for hit in hits),
        first=min(hit.first for hit in hits),
        last=max(hit.last for hit in hits),
        note=note,
    )


def _by_day(hits: Sequence[_Hit]) -> Iterable[tuple[str, list[_Hit]]]:
    days: dict[str, list[_Hit]] = {}
    for hit in hits:
        days.setdefault(hit.file.name[:10], []).append(hit)
    return days.items()


def _redacted(name: str, pattern: str) -> str:
    """Twice, because two that stand side by side share the letter between them."""
    replacement = quoted(rf"\1{REDACTED}\2")
    once = f"regexp_replace({name}, {quoted(pattern)}, {replacement}, 'g')"
    return f"regexp_replace({once}, {quoted(pattern)}, {replacement}, 'g')"


def _left(home: Path, sought: re.Pattern[bytes]) -> tuple[str, ...]:
    return tuple(str(found.path) for found in segments(home) if sought.search(_content(found.path)))


def _content(path: Path) -> bytes:
    """Return what stands in a file of the journal; nothing where it has just been deleted."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def _clean_refused(home: Path, sought: re.Pattern[bytes]) -> None:
    for path in (home / REFUSED).glob("*"):
        if sought.search(_content(path)):
            with alone(path):  # whoever delivers may be about to add to it
                lines = _content(path).splitlines(keepends=True)
                disk.replace(path, b"".join(line for line in lines if not sought.search(line)))
