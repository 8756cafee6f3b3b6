"""What is known of a request once its raw keys are gone: frozen, safe to keep and to print."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Literal, NamedTuple

from keytrail import semconv

if TYPE_CHECKING:
    from keytrail.capture.key import RawKey

Direction = Literal["incoming", "outgoing"]
Location = Literal["header", "query", "cookie", "path", "userinfo", "metadata"]
KeyType = Literal["opaque", "jwt", "basic", "signature", "signed_url"]
Attribute = str | bool | int | tuple[str, ...]


class FoundKey(NamedTuple):
    """A key where it stood in a request. Holds the raw key: never keep it past identification."""

    raw: RawKey
    """What is hashed (for a signature the access key id, for Basic the password or user name)."""
    secrets: tuple[RawKey, ...]
    """Everything of it that must be redacted wherever it turns up; often just ``raw``."""
    type: KeyType
    location: Location
    field: str
    """Lower-case name that is on the list of known or configured ones, else ``_other``."""
    scheme: str | None
    """For headers: ``bearer``, ``basic``, ``apikey``, ``token``, ``none``, … else ``_other``."""
    companion: RawKey | None = None
    """What stood beside the key and may be its public id: Basic's user name, a part of the path."""


class KeyFacts(NamedTuple):
    """One key after identification."""

    hash: str
    pepper_id: str
    type: KeyType
    location: Location
    field: str
    scheme: str | None = None
    previous_hash: str | None = None
    id: str | None = None
    name: str | None = None
    owner: str | None = None
    environment: str | None = None
    provider: str | None = None


class RequestFacts(NamedTuple):
    """One request after identification: the key that authenticated first, then any others."""

    direction: Direction
    keys: tuple[KeyFacts, ...]
    method: str
    scheme: str
    host: str
    port: int | None
    path: str
    client: str | None = None
    """Client address under the configured policy; ``None`` for outgoing or policy ``none``."""
    user_agent: str | None = None
    findings: tuple[str, ...] = ()
    """All findings, the gravest first."""
    host_expected: str | None = None

    @property
    def carries_key(self) -> bool:
        """Whether the request carries a key."""
        return bool(self.keys)

    def attributes(self) -> dict[str, Attribute]:
        """Return the ``keytrail.*`` attributes known when the request begins."""
        found: dict[str, Attribute] = {
            semconv.SCHEMA_VERSION: semconv.SCHEMA,
            semconv.DIRECTION: self.direction,
        }
        if self.direction == "incoming":
            found[semconv.KEY_PRESENT] = bool(self.keys)
        if self.keys:
            found.update(_key_attributes(self.keys[0]))
            if len(self.keys) > 1:
                found[semconv.KEY_COUNT] = len(self.keys)
                found[semconv.KEY_OTHER_HASHES] = tuple(
                    key.hash for key in self.keys[1 : 1 + semconv.MAX_OTHER_HASHES]
                )
        if self.findings:
            found[semconv.FINDINGS] = self.findings
            found[semconv.FINDING] = self.findings[0]
        if self.host_expected is not None:
            found[semconv.HOST_EXPECTED] = self.host_expected
        return found

    def seen(self) -> dict[str, Attribute]:
        """Return what the request itself showed, under the stable conventions' names."""
        found: dict[str, Attribute] = {
            "http.request.method": self.method,
            "url.path": self.path,
        }
        if self.host:
            found["server.address"] = self.host
        if self.client is not None:
            found["client.address"] = self.client
        if self.user_agent is not None:
            found["user_agent.original"] = self.user_agent
        return found


@lru_cache(maxsize=256)
def _key_attributes(key: KeyFacts) -> dict[str, Attribute]:
    told = {
        semconv.KEY_HASH: key.hash,
        semconv.KEY_PEPPER_ID: key.pepper_id,
        semconv.KEY_TYPE: key.type,
        semconv.KEY_LOCATION: key.location,
        semconv.KEY_FIELD: key.field,
        semconv.KEY_SCHEME: key.scheme,
        semconv.KEY_PREVIOUS_HASH: key.previous_hash,
        semconv.KEY_ID: key.id,
        semconv.KEY_NAME: key.name,
        semconv.KEY_OWNER: key.owner,
        semconv.KEY_ENVIRONMENT: key.environment,
        semconv.KEY_PROVIDER: key.provider,
    }
    return {name: value for name, value in told.items() if value is not None}
