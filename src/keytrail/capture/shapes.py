"""Whose key is it, as far as its own shape tells."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from keytrail.capture.catalogue import Provider

MAX_MATCHED = 1024
"""Bytes of the longest key that is matched; every known format is shorter."""

_BUCKET = 3
"""Bytes of a key's beginning by which shapes are looked up; no known prefix is shorter."""


class Told(NamedTuple):
    """The providers whose keys look like one key: the user's own, then the catalogue's."""

    providers: Sequence[Provider]

    @property
    def own(self) -> Provider | None:
        """The provider whose own shape it is: one that other keys do not have by accident."""
        return next((entry for entry in self.providers if not entry.shared), None)

    @property
    def disputed(self) -> bool:
        """Whether the keys of several providers look like this: none of them is certain.

        What the user says is.
        """
        own = [entry for entry in self.providers if not entry.shared]
        return len({_family(entry) for entry in own}) > 1 and not _is_users(own[0])


NOBODY = Told(())


class Shapes:
    """The shapes of the catalogue, indexed: nearly every key is compared with none or with one."""

    def __init__(self, providers: Iterable[Provider]) -> None:
        self._by_prefix: dict[bytes, list[tuple[bytes, Provider]]] = {}
        self._by_content: list[tuple[bytes, Provider]] = []
        self._by_scheme: dict[str, list[Provider]] = {}
        for entry in providers:
            if entry.pattern is not None:
                self._index(entry)
        contents = b"|".join(re.escape(content) for content, _ in self._by_content)
        self._may_contain = re.compile(contents)

    def told(self, key: bytes, scheme: str | None = None) -> Told:
        """Tell whose shape ``key`` has; ``scheme`` is the one that it came under."""
        if len(key) > MAX_MATCHED:
            return NOBODY
        likely = [*self._by_scheme.get(scheme, ())] if scheme in self._by_scheme else []
        for prefix, entry in self._by_prefix.get(key[:_BUCKET], ()):
            if key.startswith(prefix):
                likely.append(entry)
        if self._may_contain.search(key) is not None:
            likely += [entry for content, entry in self._by_content if content in key]
        if not likely:
            return NOBODY
        found = [entry for entry in likely if entry.has_shape(key)]
        return Told(sorted(found, key=_is_users, reverse=True))

    def _index(self, entry: Provider) -> None:
        prefixes = [prefix.encode() for prefix in entry.prefixes]
        if entry.schemes:
            for scheme in entry.schemes:
                self._by_scheme.setdefault(scheme, []).append(entry)
        elif min(map(len, prefixes), default=0) >= _BUCKET:
            for prefix in prefixes:
                self._by_prefix.setdefault(prefix[:_BUCKET], []).append((prefix, entry))
        else:
            contents = [content.encode() for content in entry.contains] or [b""]
            self._by_content += [(content, entry) for content in contents]


def _is_users(entry: Provider) -> bool:
    return entry.pattern is not None and entry.pattern.users


def _family(entry: Provider) -> str:
    """Return what one company's entries have in common: ``aws`` of ``aws_sigv4``."""
    return entry.provider.partition("_")[0]
