"""Tells a key's provider, its public id and the hosts it is for, by what the catalogue says."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from keytrail import semconv
from keytrail.capture.catalogue import (
    Pattern,
    Provider,
    built_in_providers,
    read_providers,
    shaped_providers,
)
from keytrail.capture.shapes import MAX_MATCHED, Shapes, Told

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from keytrail.capture.facts import FoundKey

_MAX_ID = 128
_MAX_LABELS = 8


class Home(NamedTuple):
    """Where a key belongs, as far as that is known."""

    hosts: tuple[str, ...] = ()
    """Names, and domains that begin with a dot; empty where nothing is known."""
    certain: bool = True
    """``False``: the hosts are those of whom the key was sent to; it may be anybody's."""


class Identified(NamedTuple):
    """What the catalogue knows of one key."""

    provider: str | None
    id: str | None = None
    home: Home = Home()


class PathKey(NamedTuple):
    """A key in the path of a URL."""

    key: bytes
    companion: bytes | None
    redacted_path: str


UNKNOWN = Identified(None)


class Catalogue:
    """Tells a key's provider by its shape, by the host it goes to, and by its field."""

    def __init__(self, providers: Sequence[Provider]) -> None:
        self._shapes = Shapes(providers)
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
        users = read_providers(path) if path else ()
        return cls([*users, *built_in_providers(), *shaped_providers()])

    def identify(self, found: FoundKey, host: str) -> Identified:
        """Return what is known of ``found`` on its way to ``host`` (empty for incoming requests).

        The key's own shape tells most, unless several providers share it; then the host it goes
        to; then a field that is used by one provider alone; then a shape that proves little. Only
        a shape ties the key to hosts for certain.
        """
        told = self._shapes.told(found.raw.reveal(), found.scheme)
        own = told.own
        if own is not None and not told.disputed:
            return _identified(own, found, Home(_hosts(own)))
        return self._by_surroundings(found, host, told) or _by_shape_alone(found, told)

    def _by_surroundings(self, found: FoundKey, host: str, told: Told) -> Identified | None:
        if found.field == "proxy-authorization":
            return None
        serving = self._serving(host) if host else ()
        if serving:
            fitting = [entry for entry in serving if entry in told.providers]
            by_field = [e for e in serving if found.field in e.headers or found.field in e.query]
            entry = (fitting or by_field or serving)[0]
            return _identified(entry, found, Home(_hosts(entry), certain=False))
        if not host and not _is_signed(found):
            return None
        owners = self._by_field.get(found.field, ())
        return _identified(owners[0], found, Home()) if len(owners) == 1 else None

    def user_is_key(self, user: bytes, password: bytes, host: str) -> bool:
        """Whether the user name of Basic authentication is the key although there is a password.

        It is where the provider takes it there, and where it alone of the two looks like a key.
        """
        shaped = self._shapes.told(user).own
        if shaped is not None and not _is_public(shaped, user):
            return shaped.key_in == "user" or self._shapes.told(password).own is None
        return any(entry.key_in == "user" for entry in self._serving(host))

    def is_secret(self, key: bytes) -> bool:
        """Whether ``key`` has a shape that some provider's secret keys alone have."""
        shaped = self._shapes.told(key).own
        return shaped is not None and not _is_public(shaped, key)

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
        for host in entry.hosts:
            self._by_host.setdefault(host, []).append(entry)
        for field in {*entry.headers, *entry.query}:
            self._by_field.setdefault(field, []).append(entry)

    def _find_serving(self, host: str) -> tuple[Provider, ...]:
        host = host.rstrip(".")
        found = [*self._by_host.get(host, ())]
        for domain in _domains(host):
            found += [entry for entry in self._by_host.get(domain, ()) if entry not in found]
        return tuple(found)


def _path_key(pattern: Pattern, path: bytes) -> PathKey | None:
    match = pattern.search(path[:MAX_MATCHED])
    if match is None:
        return None
    _, numbers = pattern.groups()
    start, end = match.span(numbers["key"])
    redacted = path[:start] + semconv.REDACTED.encode() + path[end:]
    companion = match.group(numbers["id"]) if "id" in numbers else None
    return PathKey(path[start:end], companion, redacted.decode("utf-8", "replace"))


def _by_shape_alone(found: FoundKey, told: Told) -> Identified:
    if not told.providers and not _is_signed(found):
        return UNKNOWN
    entry = told.own or next(iter(told.providers), None)
    return Identified(None, _signing_id(found)) if entry is None else _identified(entry, found)


def _identified(entry: Provider, found: FoundKey, home: Home = Home()) -> Identified:  # noqa: B008
    return Identified(entry.provider, _signing_id(found) or _public_id(entry, found), home)


def _hosts(entry: Provider) -> tuple[str, ...]:
    return () if entry.self_hosted else entry.hosts


def _is_signed(found: FoundKey) -> bool:
    return found.type in ("signature", "signed_url")


def _signing_id(found: FoundKey) -> str | None:
    """Return what a signed request names its key by: it is made to be seen."""
    return as_id(found.raw.reveal()) if _is_signed(found) else None


def _public_id(entry: Provider, found: FoundKey) -> str | None:
    holder = found.raw if entry.id_in == "key" else found.companion
    if entry.id is None or holder is None or len(holder) > MAX_MATCHED:
        return None
    match = entry.id.fullmatch(entry.plain(holder.reveal()))
    return None if match is None else as_id(match.group(1) or b"")


def as_id(public: bytes) -> str | None:
    """Return what is public of a key as text of bounded length; ``None`` for what cannot be one."""
    text = public[:_MAX_ID].decode("utf-8", "replace")
    return text if text and text.isprintable() else None


def _is_public(entry: Provider, key: bytes) -> bool:
    """Whether such a key is an identifier as a whole, and no secret."""
    match = entry.id.fullmatch(key) if entry.id is not None and entry.id_in == "key" else None
    return match is not None and match.group(1) == key


def serves(hosts: Iterable[str], host: str) -> bool:
    """Whether ``host`` is one of ``hosts``, or below one that begins with a dot."""
    host = host.rstrip(".")
    return any(
        host == name or (name.startswith(".") and (host.endswith(name) or host == name[1:]))
        for name in hosts
    )


def _domains(host: str) -> list[str]:
    labels = host.split(".")[-_MAX_LABELS:]
    return ["." + ".".join(labels[start:]) for start in range(len(labels))]
