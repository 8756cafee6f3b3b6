r"""Who issued a key, where it may go, and which part of it is public: the catalogue's facts.

``catalogue.json`` has the providers that keytrail knows; a TOML file of the same fields adds more:

    [[providers]]
    provider = "acme"                # slug
    hosts = ["api.acme.example", ".acme.example"]   # a leading dot: the domain and all below it
    pattern = "acme_[0-9a-z]{8}_[0-9A-Za-z]{32}"    # the whole key, RE2 syntax
    prefixes = ["acme_"]             # how such a key begins; without them every key is tried
    contains = ["_mmk"]              # instead: what stands somewhere in such a key
    schemes = ["bot"]                # only keys under these schemes of Authorization are tried
    base64 = true                    # pattern and id are those of the decoded key
    shared = true                    # other keys look like it too: host and header are asked first
    headers = ["x-acme-key"]         # fields that carry the key
    query = ["acme_key"]
    path = '/hook/(?P<id>\w+)/(?P<key>\w+)'         # a key in the path of a URL on these hosts
    id = "acme_([0-9a-z]{8})_.*"     # group 1 is public
    id_in = "companion"              # the id is in what stands beside the key: Basic's user name
    key_in = "user"                  # Basic's user name is the key, not the password
    self_hosted = true               # others run it too: another host is no wrong host
"""

from __future__ import annotations

import json
import os
import re
from base64 import b64decode
from dataclasses import dataclass, fields
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from keytrail.toml_file import read_toml

try:
    import re2
except ImportError:
    re2 = None
    """Without it no pattern of the user's can be used, and redaction withholds all texts."""

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_NOT_A_PATTERN = (re.error, getattr(re2, "error", AttributeError))


class CatalogueError(ValueError):
    """A catalogue file that cannot be used; names file and entry."""


class Pattern:
    """A pattern, compiled when it is first needed.

    The catalogue's own are bounded and go to ``re``: five times as fast here as RE2. A user's go to
    RE2, which cannot backtrack on a hostile key; after a fork they are compiled anew, since the
    lock of RE2's state cache may have been copied while it was held.
    """

    __slots__ = ("_compiled", "_pid", "_source", "users")

    def __init__(self, source: str, users: bool) -> None:
        self._source = source.encode()
        self.users = users
        """Whether it is a user's."""
        self._pid = 0
        self._compiled: Any = None

    @property
    def added(self) -> str | None:
        """The expression of a user's pattern."""
        return self._source.decode() if self.users else None

    @property
    def source(self) -> str:
        """The pattern as it is written."""
        return self._source.decode()

    def fullmatch(self, text: bytes) -> re.Match[bytes] | None:
        """Match the whole of ``text``; ask RE2's matches for groups by number only."""
        found: re.Match[bytes] | None = self._pattern().fullmatch(text)
        return found

    def search(self, text: bytes) -> re.Match[bytes] | None:
        """Find the first match in ``text``."""
        found: re.Match[bytes] | None = self._pattern().search(text)
        return found

    def groups(self) -> tuple[int, Mapping[str, int]]:
        """Return how many groups the pattern has, and the numbers of the named ones.

        Raises:
            ValueError: the pattern cannot be compiled.

        """
        try:
            pattern = self._pattern()
        except _NOT_A_PATTERN:
            raise ValueError("not a pattern") from None
        names = pattern.groupindex.items()
        return pattern.groups, {
            name.decode() if isinstance(name, bytes) else name: number for name, number in names
        }

    def _pattern(self) -> Any:
        if not self.users:
            if self._compiled is None:
                self._compiled = re.compile(self._source)
        elif self._pid != os.getpid():
            self._compiled = re2.compile(self._source, _re2_options())
            self._pid = os.getpid()
        return self._compiled


def _re2_options() -> Any:
    options = re2.Options()
    options.log_errors = False
    return options


@dataclass(frozen=True, slots=True)
class Provider:
    """One entry of the catalogue."""

    provider: str
    hosts: tuple[str, ...] = ()
    pattern: Pattern | None = None
    prefixes: tuple[str, ...] = ()
    contains: tuple[str, ...] = ()
    schemes: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    query: tuple[str, ...] = ()
    path: Pattern | None = None
    id: Pattern | None = None
    id_in: str = "key"
    key_in: str = "password"
    self_hosted: bool = False
    shared: bool = False
    base64: bool = False

    def has_shape(self, key: bytes) -> bool:
        """Whether ``key`` looks like one of this provider's."""
        return self.pattern is not None and self.pattern.fullmatch(self.plain(key)) is not None

    def plain(self, key: bytes) -> bytes:
        """Return what the patterns are of: the key, or what it encodes (nothing if it does not)."""
        if not self.base64:
            return key
        try:
            return b64decode(key, validate=True)
        except ValueError:
            return b""


@lru_cache(maxsize=1)
def built_in_providers() -> tuple[Provider, ...]:
    """Return the providers that keytrail knows."""
    text = resources.files(__package__).joinpath("catalogue.json").read_text("utf-8")
    return tuple(_provider(entry, users=False) for entry in json.loads(text))


@lru_cache(maxsize=1)
def shaped_providers() -> tuple[Provider, ...]:
    """Return the providers of which nothing is known but how their keys look."""
    text = resources.files("keytrail.redaction").joinpath("token-shapes.json").read_text("utf-8")
    return tuple(
        _shaped(shape)
        for shape in json.loads(text)["shapes"]
        if shape["kind"] == "key"
        and shape["precision"] == "distinctive"
        and shape["anchors"] != _ANY_JWT
    )


_ANY_JWT = [".eyJ"]
"""The anchor of a shape that every JWT has, whoever issued it."""


_SAME = {"hashicorp-vault": "vault", "langchain": "langsmith"}
"""Providers that the catalogue has under another name."""


def _shaped(shape: Mapping[str, Any]) -> Provider:
    anchors = tuple(shape["anchors"])
    begins = shape["regex"].lstrip("(?:\\")[0] in {anchor[0] for anchor in anchors}
    return Provider(
        provider=_SAME.get(shape["provider"], shape["provider"].replace("-", "_")),
        pattern=Pattern(shape["regex"], users=False),
        prefixes=anchors if begins else (),
        contains=() if begins else anchors,
    )


def read_providers(path: Path) -> tuple[Provider, ...]:
    """Return the providers of a user's TOML file.

    Raises:
        CatalogueError: the file cannot be read or an entry cannot be used.

    """
    entries = read_toml(path, CatalogueError).get("providers", [])
    if not isinstance(entries, list):
        raise CatalogueError(f"{path}: 'providers' is not a list\nhint: write [[providers]]")
    return tuple(_checked_provider(entry, path, number) for number, entry in enumerate(entries, 1))


_CASED_TEXTS = frozenset({"prefixes", "contains"})
_TEXTS = _CASED_TEXTS | {"hosts", "headers", "query", "schemes"}
_FLAGS = frozenset({"self_hosted", "shared", "base64"})
_PATTERNS = frozenset({"pattern", "path", "id"})
_CHOICES = {"id_in": ("key", "companion"), "key_in": ("password", "user")}


def _checked_provider(entry: Any, path: Path, number: int) -> Provider:
    where = f"{path}: provider {number}"
    hint = f"hint: the fields are {', '.join(field.name for field in fields(Provider))}"
    if not isinstance(entry, dict) or not isinstance(entry.get("provider"), str):
        raise CatalogueError(f"{where}: 'provider' is missing\n{hint}")
    for name, value in entry.items():
        if not _is_valid(name, value):
            raise CatalogueError(f"{where}: {name!r} is no field, or not of its type\n{hint}")
    provider = _provider(entry, users=True)
    for name in sorted(_PATTERNS & entry.keys()):
        problem = _problem(name, getattr(provider, name))
        if problem is not None:
            raise CatalogueError(f"{where}: {name!r} {problem}\n{hint}")
    return provider


def _problem(name: str, pattern: Pattern) -> str | None:
    try:
        count, names = pattern.groups()
    except ValueError:
        return "is not an RE2 pattern"
    if name == "path" and "key" not in names:
        return "has no group (?P<key>…)"
    if name == "id" and not count:
        return "has no group"
    return None


def _is_valid(name: str, value: object) -> bool:
    if name in _TEXTS:
        return isinstance(value, list) and all(isinstance(text, str) and text for text in value)
    if name in _CHOICES:
        return value in _CHOICES[name]
    if name in _FLAGS:
        return isinstance(value, bool)
    return name in {field.name for field in fields(Provider)} and isinstance(value, str)


def _provider(entry: Mapping[str, Any], users: bool) -> Provider:
    values: dict[str, Any] = {}
    for name, value in entry.items():
        if name in _PATTERNS:
            values[name] = Pattern(value, users)
        elif name in _CASED_TEXTS:
            values[name] = tuple(value)
        elif name in _TEXTS:
            values[name] = tuple(text.lower() for text in value)
        else:
            values[name] = value
    return Provider(**values)
