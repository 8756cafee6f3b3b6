"""Tells a key's provider, its public id and the hosts it is for, by what the catalogue says."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from keytrail import semconv
from keytrail.capture.catalogue import Pattern, Provider, built_in_providers, read_providers

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from keytrail.capture.facts import FoundKey

_BUCKET = 3
"""Bytes of a key's beginning by which shapes are looked up; no known prefix is shorter."""
_MAX_ID = 128
_MAX_MATCHED = 1024
"""Bytes of the longest key or path that is matched; every known format is shorter."""
_MAX_LABELS = 8


class Identified(NamedTuple):
    """What the catalogue knows of one key."""

    provider: str | None
    id: str | None = None
    hosts: tuple[str, ...] = ()
    """The only hosts that the key may go to; empty where the catalogue cannot tell."""


UNKNOWN = Identified(None)


class PathKey(NamedTuple):
    """A key in the path of a URL."""

    key: bytes
    companion: bytes | None
    redacted_path: str


class Catalogue:
    """Tells a key's provider by its shape, by the host it goes to, and by its field."""

    def __init__(self, providers: Sequence[Provider]) -> None:
        self._by_prefix: dict[bytes, list[tuple[bytes, Provider]]] = {}
        self._unsorted: list[Provider] = []
        self._by_host: dict[str, list[Provider]] = {}
        self._by_field: dict[str, list[Provider]] = {}
        self.headers = frozenset(name for entry in providers for name in entry.headers)
        self.query = frozenset(name for entry in providers for name in entry.query)
        self.added_shapes = tuple(
            entry.pattern.added for entry in providers if entry.pattern and entry.pattern.added
        )
        self._serving = lru_cache(maxsize=256)(self._find_serving)
        for entry in providers:
            self._index(entry)

    @classmethod
    def load(cls, path: Path | None = None) -> Catalogue:
        """Return the built-in catalogue, with the entries of the TOML file ``path`` before it.

        Raises:
            CatalogueError: the file cannot be read or an entry cannot be used.

        """
        return cls([*(read_providers(path) if path else ()), *built_in_providers()])

    def identify(self, found: FoundKey, host: str) -> Identified:
        """Return what is known of ``found`` on its way to ``host`` (empty for incoming requests).

        The key's own shape tells most; then the host it goes to; then a header that is used by
        one provider alone, which names the provider but binds the key to no host.
        """
        entry = self._with_shape(found.raw.reveal())
        if entry is not None:
            return _identified(entry, found, bound=True)
        if not host or found.field == "proxy-authorization":
            return UNKNOWN
        serving = self._serving(host)
        if serving:
            by_field = [e for e in serving if found.field in e.headers or found.field in e.query]
            return _identified((by_field or serving)[0], found, bound=True)
        owners = self._by_field.get(found.field, ())
        return _identified(owners[0], found, bound=False) if len(owners) == 1 else UNKNOWN

    def user_is_key(self, user: bytes, host: str) -> bool:
        """Whether the user name of Basic authentication is the key, whatever the password is."""
        shaped = self._with_shape(user)
        if shaped is not None:
            return shaped.key_in == "user"
        return any(entry.key_in == "user" for entry in self._serving(host))

    def takes_query_key(self, host: str, field: str) -> bool:
        """Whether a provider at ``host`` takes its key in the query parameter ``field``."""
        return any(field in entry.query for entry in self._serving(host))

    def key_in_path(self, host: str, path: str) -> PathKey | None:
        """Return the key that the path of a URL at ``host`` holds, if the catalogue says so."""
        for entry in self._serving(host):
            if entry.path is not None:
                found = _path_key(entry.path, path.encode("utf-8", "surrogatepass"))
                if found is not None:
                    return found
        return None

    def _index(self, entry: Provider) -> None:
        prefixes = [prefix.encode() for prefix in entry.prefixes]
        if entry.pattern is not None and min(map(len, prefixes), default=0) < _BUCKET:
            self._unsorted.append(entry)
            prefixes = []
        for prefix in prefixes:
            self._by_prefix.setdefault(prefix[:_BUCKET], []).append((prefix, entry))
        for host in entry.hosts:
            self._by_host.setdefault(host, []).append(entry)
        for field in {*entry.headers, *entry.query}:
            self._by_field.setdefault(field, []).append(entry)

    def _with_shape(self, key: bytes) -> Provider | None:
        if len(key) > _MAX_MATCHED:
            return None
        for prefix, entry in self._by_prefix.get(key[:_BUCKET], ()):
            if key.startswith(prefix) and entry.has_shape(key):
                return entry
        for entry in self._unsorted:
            if entry.has_shape(key):
                return entry
        return None

    def _find_serving(self, host: str) -> tuple[Provider, ...]:
        found = [*self._by_host.get(host, ())]
        for domain in _domains(host):
            found += [entry for entry in self._by_host.get(domain, ()) if entry not in found]
        return tuple(found)


def _path_key(pattern: Pattern, path: bytes) -> PathKey | None:
    match = pattern.search(path[:_MAX_MATCHED])
    if match is None:
        return None
    _, numbers = pattern.groups()
    start, end = match.span(numbers["key"])
    redacted = path[:start] + semconv.REDACTED.encode() + path[end:]
    companion = match.group(numbers["id"]) if "id" in numbers else None
    return PathKey(path[start:end], companion, redacted.decode("utf-8", "replace"))


def _identified(entry: Provider, found: FoundKey, *, bound: bool) -> Identified:
    hosts = entry.hosts if bound and not entry.self_hosted else ()
    return Identified(entry.provider, _public_id(entry, found), hosts)


def _public_id(entry: Provider, found: FoundKey) -> str | None:
    holder = found.raw if entry.id_in == "key" else found.companion
    if entry.id is None or holder is None or len(holder) > _MAX_MATCHED:
        return None
    match = entry.id.fullmatch(holder.reveal())
    if match is None:
        return None
    public = (match.group(1) or b"")[:_MAX_ID].decode("utf-8", "replace")
    return public if public and public.isprintable() else None


def serves(hosts: Iterable[str], host: str) -> bool:
    """Whether ``host`` is one of ``hosts``, or below one that begins with a dot."""
    return any(
        host == name or (name.startswith(".") and (host.endswith(name) or host == name[1:]))
        for name in hosts
    )


def _domains(host: str) -> list[str]:
    labels = host.split(".")[-_MAX_LABELS:]
    return ["." + ".".join(labels[start:]) for start in range(len(labels))]
