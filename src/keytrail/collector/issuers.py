"""Who issued a key, as ``keytrail.capture.providers`` tells it by the same catalogue."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Final

from keytrail import semconv
from keytrail.capture.catalogue import built_in_providers, shaped_providers
from keytrail.collector.ottl import Group, attribute, pattern, text
from keytrail.collector.private import RAW

if TYPE_CHECKING:
    from keytrail.capture.catalogue import Provider

_PROVIDER: Final = attribute(semconv.KEY_PROVIDER)
_FIELD: Final = attribute(semconv.KEY_FIELD)
_HOST: Final = 'span.cache["host"]'
_NAMED_HOSTS: Final = ("http.host", "net.peer.name", "server.address")
"""Attributes of a call that hold the called host; the last that is there counts."""
_WHOLE: Final = ("http.url", "url.full")


def provider() -> Group:
    """Return the group that names the provider of a picked key.

    The key's own shape tells most; then, of outgoing calls, the host that it goes to; then a field
    that one provider alone uses.
    """
    entries = built_in_providers()
    shaped = [entry for entry in (*entries, *shaped_providers()) if entry.pattern is not None]
    return Group(
        "span",
        [
            *map(_by_shape, shaped),
            *_host(),
            *_by_host(entries),
            *_by_field(entries),
        ],
        [f"{attribute(RAW)} != nil and {_PROVIDER} == nil"],
    )


def _named(entry: Provider, condition: str) -> str:
    return f"set({_PROVIDER}, {text(entry.provider)}) where {_PROVIDER} == nil and {condition}"


def _by_shape(entry: Provider) -> str:
    shape = entry.pattern.source if entry.pattern else ""
    return _named(entry, f"IsMatch({attribute(RAW)}, {pattern(f'^(?:{shape})$')})")


def _host() -> list[str]:
    """Read the called host; of incoming calls there is none."""
    outgoing = f'span.kind == SPAN_KIND_CLIENT and {_FIELD} != "proxy-authorization"'
    in_url = r"^[A-Za-z][0-9A-Za-z+.-]*://(?:[^/?#@]*@)?(?P<host>[^/?#:]+)"
    found = 'span.cache["found"]'
    return [
        *(
            line
            for name in _WHOLE
            for line in (
                f"set({found}, ExtractPatterns({attribute(name)}, {pattern(in_url)})) "
                f"where {outgoing} and IsString({attribute(name)})",
                f'set({_HOST}, {found}["host"]) where {found}["host"] != nil',
            )
        ),
        *(
            f"set({_HOST}, {attribute(name)}) where {outgoing} and IsString({attribute(name)}) "
            f'and {attribute(name)} != ""'
            for name in _NAMED_HOSTS
        ),
        f"set({_HOST}, ToLowerCase({_HOST})) where {_HOST} != nil",
        f'replace_pattern({_HOST}, "[.]?(?::[0-9]+)?$$", "") where {_HOST} != nil',
    ]


def _by_host(entries: tuple[Provider, ...]) -> list[str]:
    """Ask for whole hosts first, then for domains, the longest first; a shared one by its field."""
    by_host: dict[str, list[Provider]] = {}
    for entry in entries:
        for host in entry.hosts:
            by_host.setdefault(host, []).append(entry)
    ordered = sorted(by_host, key=lambda host: (host.startswith("."), -host.count(".")))
    return [line for host in ordered for line in _at(host, by_host[host])]


def _at(host: str, entries: list[Provider]) -> list[str]:
    is_there = f"{_HOST} == {text(host)}"
    if host.startswith("."):
        domain = pattern(rf"(?:^|\.){re.escape(host[1:])}$")
        is_there = f"{_HOST} != nil and IsMatch({_HOST}, {domain})"
    by_field = [
        _named(entry, f"{is_there} and ({_is_any([*entry.headers, *entry.query])})")
        for entry in entries
        if len(entries) > 1 and (entry.headers or entry.query)
    ]
    return [*by_field, _named(entries[0], is_there)]


def _by_field(entries: tuple[Provider, ...]) -> list[str]:
    owners = Counter(field for entry in entries for field in {*entry.headers, *entry.query})
    alone = {
        entry: [field for field in (*entry.headers, *entry.query) if owners[field] == 1]
        for entry in entries
    }
    return [
        _named(entry, f"{_HOST} != nil and ({_is_any(fields)})")
        for entry, fields in alone.items()
        if fields
    ]


def _is_any(fields: list[str]) -> str:
    return " or ".join(f"{_FIELD} == {text(field)}" for field in fields)
