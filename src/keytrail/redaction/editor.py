"""Decide, text by text and attribute by attribute, what may pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from keytrail import faults, semconv
from keytrail.redaction import own
from keytrail.redaction.regions import REDACTED, replaced
from keytrail.redaction.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from keytrail.redaction.names import SensitiveNames
    from keytrail.redaction.regions import Rule
    from keytrail.redaction.rules import Secrets
    from keytrail.redaction.tally import Place

STRUCTURAL: Final = frozenset(
    {
        "client.address",
        "error.type",
        "exception.type",
        "http.method",
        "http.request.method",
        "http.route",
        "http.scheme",
        "net.host.name",
        "net.peer.ip",
        "net.peer.name",
        "network.protocol.name",
        "network.protocol.version",
        "rpc.method",
        "rpc.service",
        "rpc.system",
        "server.address",
        "url.scheme",
    }
)
"""Attributes that no caller fills with free text."""
_LONGEST_NAME: Final = 80
_MOST_DIGITS: Final = 3


class Editor(Protocol):
    """What rebuilding a span or a record asks for each of its parts."""

    @property
    def tally(self) -> Tally:
        """What was redacted so far."""
        ...

    def text(self, text: str, place: Place) -> str:
        """Return what may pass of ``text``."""
        ...

    def value(self, value: Any, place: Place) -> Any:
        """Return what may pass of a value of any type; a sequence keeps its order and length."""
        ...

    def attributes(self, attributes: Mapping[str, Any], place: Place) -> dict[str, Any]:
        """Return what may pass of names and values."""
        ...


@dataclass(frozen=True, slots=True)
class Redacting:
    """Replaces what is secret by name, by shape or by value, and nothing else."""

    names: SensitiveNames
    secrets: Secrets
    clean: AbstractSet[str] = frozenset()
    """Names of attributes that need no search."""
    tally: Tally = field(default_factory=Tally)

    def text(self, text: str, place: Place) -> str:
        """Return ``text`` with ``REDACTED`` for every secret in it."""
        data = text.encode("utf-8", "surrogatepass")
        cleaned = self._data(data, place)
        return text if cleaned is data else _decoded(cleaned)

    def value(self, value: Any, place: Place) -> Any:
        """Return ``value`` with every text in it redacted."""
        if isinstance(value, Mapping):
            return self.attributes({str(name): inner for name, inner in value.items()}, place)
        return _each(value, lambda leaf: self._leaf(leaf, place))

    def attributes(self, attributes: Mapping[str, Any], place: Place) -> dict[str, Any]:
        """Return ``attributes`` redacted; what is no fingerprint in a fingerprint's place goes."""
        result = {}
        for name, value in attributes.items():
            if own.is_known(name, value):
                result[name] = value
            elif name in semconv.HASHES:
                self.tally.add(place, "not_a_hash")
                faults.report("redaction.hash", ValueError("not a fingerprint"))
            elif self.names.secret(name):
                shown = self.text(name, place)
                result[shown] = _each(value, lambda leaf: self._secret(leaf, place))
            else:
                shown = name if name in self.clean else self.text(name, place)
                result[shown] = self.value(value, place)
        return result

    def _leaf(self, leaf: Any, place: Place) -> Any:
        if isinstance(leaf, str):
            return self.text(leaf, place)
        if isinstance(leaf, bytes | bytearray):
            return self._data(bytes(leaf), place)
        if isinstance(leaf, int):
            return leaf
        if isinstance(leaf, Mapping):
            return self.value(leaf, place)
        shown = str(leaf)
        passed = self.text(shown, place)
        return leaf if passed == shown else passed

    def _secret(self, leaf: Any, place: Place) -> Any:
        if isinstance(leaf, Mapping):
            return {
                self.text(str(name), place): _each(inner, lambda one: self._secret(one, place))
                for name, inner in leaf.items()
            }
        if leaf in ("", b"", semconv.REDACTED, REDACTED):
            return leaf
        data = leaf if isinstance(leaf, bytes) else str(leaf).encode("utf-8", "surrogatepass")
        known = [
            one for region in self.secrets.regions_of_item(data) for one in region.fingerprints
        ]
        self.tally.add(place, "name", known)
        return REDACTED if isinstance(leaf, bytes) else semconv.REDACTED

    def _data(self, data: bytes, place: Place) -> bytes:
        """Return ``data`` redacted, or the very same object where it is clean."""
        regions = [
            one
            for one in self.secrets.regions_of_item(data)
            if data[one.start : one.end] != REDACTED
        ]
        if not regions:
            return data
        self.tally.add_regions(place, regions)
        return replaced(data, regions)


@dataclass(frozen=True, slots=True)
class Withholding:
    """Lets no text pass but keytrail's own words: for what could not be redacted."""

    tally: Tally = field(default_factory=Tally)
    rule: Rule = "fault"

    def text(self, text: str, place: Place) -> str:
        """Return ``REDACTED``."""
        return cast("str", self.value(text, place))

    def value(self, value: Any, place: Place) -> Any:
        """Return a number, a truth value or nothing as it is, and ``REDACTED`` for all else."""
        if (
            value is None
            or isinstance(value, bool | int | float)
            or value in ("", semconv.REDACTED)
        ):
            return value
        self.tally.add(place, self.rule)
        return semconv.REDACTED

    def attributes(self, attributes: Mapping[str, Any], place: Place) -> dict[str, Any]:
        """Return the names that cannot be keys with what may pass of their values."""
        return {
            name if _is_word(name) else self.text(name, place): (
                value if own.is_known(name, value) else self.value(value, place)
            )
            for name, value in attributes.items()
            if name not in semconv.HASHES or own.is_known(name, value)
        }


@dataclass(frozen=True, slots=True)
class DroppingFreeText:
    """For a trace with more keys than memory holds: only structure passes, and that redacted."""

    redacting: Redacting
    withholding: Withholding

    @property
    def tally(self) -> Tally:
        """What was redacted so far."""
        return self.withholding.tally

    def text(self, text: str, place: Place) -> str:
        """Return ``REDACTED``."""
        return self.withholding.text(text, place)

    def value(self, value: Any, place: Place) -> Any:
        """Return a number, a truth value or nothing as it is, and ``REDACTED`` for all else."""
        return self.withholding.value(value, place)

    def attributes(self, attributes: Mapping[str, Any], place: Place) -> dict[str, Any]:
        """Return the structural attributes redacted, the others without their texts."""
        passed: dict[str, Any] = {}
        for name, value in attributes.items():
            editor = self.redacting if _is_structural(name) else self.withholding
            passed.update(editor.attributes({name: value}, place))
        return passed


def _is_word(name: str) -> bool:
    """Tell a name that people gave, such as ``k8s.pod.name``, from a key in a name's place."""
    return len(name) <= _LONGEST_NAME and sum(map(str.isdigit, name)) <= _MOST_DIGITS


def _is_structural(name: str) -> bool:
    return name in STRUCTURAL or (name.startswith(own.PREFIX) and name != own.FREE_TEXT)


def _each(value: Any, leaf: Callable[[Any], Any]) -> Any:
    """Apply ``leaf`` to what is no float, truth value or nothing, inside sequences too."""
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray):
        return tuple(_each(element, leaf) for element in value)
    return leaf(value)


def _decoded(data: bytes) -> str:
    """Return the text; a key that began inside a character leaves a broken one behind."""
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return data.decode("utf-8", "replace")
