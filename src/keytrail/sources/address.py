"""Where a source is, and with whose credentials it is asked: an address or a profile.

A profile is a table in ``sources.toml`` in keytrail's configuration directory, or in the file that
``KEYTRAIL_SOURCES`` names:

    [production]
    url = "tempo+https://tempo.example.com"
    headers = { Authorization = "Bearer $TEMPO_TOKEN" }   # $NAME is read from the environment
    tenant = "security"                # X-Scope-OrgID
    certificate = "/etc/ssl/ca.pem"    # CA file
    client_certificate = "/etc/…pem"
    client_key = "/etc/…pem"
    lookback = "30d"                   # how far back is searched where no --since is given
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

import platformdirs

from keytrail.settings import Secret
from keytrail.sources.source import DAY, CannotAnswer
from keytrail.toml_file import read_toml

if TYPE_CHECKING:
    from collections.abc import Mapping

_KINDS: Final = ("clickhouse", "jaeger", "tempo")
_SECURE_PORTS: Final = (443, 8443)
_HINT: Final = (
    "hint: give an address such as clickhouse://host:8123/database, jaeger+http://host:16686 or "
    "tempo+https://host, or the name of a profile; docs/sources.md shows both"
)
_CLIENT: Final = "hint: name that one by 'client_certificate'"
_COMMON: Final = frozenset(
    {"url", "headers", "tenant", "where", "lookback", "certificate"}
    | {"client_certificate", "client_key"}
)
_OPTIONS: Final = {
    "clickhouse": frozenset({"table"}),
    "jaeger": frozenset({"limit"}),
    "tempo": frozenset({"limit", "window", "late"}),
}
"""What one kind of source alone can be told."""
_VARIABLE: Final = re.compile(r"\$(\w+)")
_DAYS: Final = re.compile(r"(\d{1,5})d")
_HEADER: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_NAME: Final = re.compile(r"[\w.-]+")


@dataclass(frozen=True, slots=True)
class Address:
    """A source that is not on this machine."""

    kind: str
    """``clickhouse``, ``jaeger`` or ``tempo``."""
    url: str
    """``http`` or ``https``, without user and password."""
    user: str | None = None
    password: Secret | None = None
    headers: tuple[tuple[str, Secret], ...] = ()
    certificate: Path | None = None
    client_certificate: Path | None = None
    client_key: Path | None = None
    lookback: int = 30 * DAY
    """Nanoseconds that are searched where no beginning is asked for."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """What one kind of source alone has to be told."""

    def number(self, option: str, default: int) -> int:
        """Return an option that is a number of at least 1.

        Raises:
            CannotAnswer: it is something else.
        """
        text = str(self.options.get(option, default))
        if not text.isdecimal() or int(text) < 1:
            raise CannotAnswer(f"{option!r} of {self} is no number\nhint: give 1 or more")
        return int(text)

    def __str__(self) -> str:
        return f"{self.kind} at {urlsplit(self.url).netloc}"


def read_address(text: str, environ: Mapping[str, str] | None = None) -> Address:
    """Return the source that ``text`` names: an address, or a profile.

    Raises:
        CannotAnswer: it is neither; names what is wrong, never a credential.
    """
    environ = os.environ if environ is None else environ
    if "://" in text:
        return _of_url(text, {}, environ)
    if not _NAME.fullmatch(text):
        raise CannotAnswer(f"this is neither an address nor a profile\n{_HINT}")
    path = _profiles(environ)
    profile = _read(path).get(text)
    if not isinstance(profile, dict) or not isinstance(profile.get("url"), str):
        raise CannotAnswer(f"{path}: no profile of this name with a 'url'\n{_HINT}")
    return _of_url(profile["url"], {**profile, "where": f"{path}: {text}"}, environ)


def _profiles(environ: Mapping[str, str]) -> Path:
    told = environ.get("KEYTRAIL_SOURCES")
    return Path(told) if told else Path(platformdirs.user_config_dir("keytrail")) / "sources.toml"


def _read(path: Path) -> dict[str, Any]:
    return read_toml(path, CannotAnswer) if path.exists() else {}


def _of_url(text: str, profile: Mapping[str, Any], environ: Mapping[str, str]) -> Address:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise CannotAnswer(f"this is no address\n{_HINT}") from None
    kind, _, transport = parts.scheme.partition("+")
    if kind not in _KINDS or transport not in ("", "http", "https") or not parts.hostname:
        raise CannotAnswer(f"no source can read {parts.scheme!r} addresses\n{_HINT}")
    secure = transport == "https" or (kind == "clickhouse" and port in _SECURE_PORTS)
    netloc = parts.netloc.rpartition("@")[2]
    whole = parts._replace(scheme="https" if secure else "http", netloc=netloc, query="")
    told = {**dict(parse_qsl(parts.query)), **profile}
    _check(told, kind)
    return Address(
        kind=kind,
        url=whole.geturl().rstrip("/"),
        user=None if parts.username is None else unquote(parts.username),
        password=None if parts.password is None else Secret(unquote(parts.password)),
        headers=_headers(told, environ),
        certificate=_file(told, "certificate"),
        client_certificate=_file(told, "client_certificate"),
        client_key=_file(told, "client_key"),
        lookback=_lookback(told),
        options={name: value for name, value in told.items() if name not in _COMMON},
    )


def _check(told: Mapping[str, Any], kind: str) -> None:
    known = _COMMON | _OPTIONS[kind]
    if not told.keys() <= known:
        names = ", ".join(sorted(known - {"url", "where"}))
        raise CannotAnswer(
            f"{_where(told)}a {kind} source has no such option\nhint: there are {names}"
        )
    if "client_key" in told and "client_certificate" not in told:
        raise CannotAnswer(f"{_where(told)}'client_key' is of no certificate\n{_CLIENT}")


def _headers(told: Mapping[str, Any], environ: Mapping[str, str]) -> tuple[tuple[str, Secret], ...]:
    headers = told.get("headers", {})
    if not isinstance(headers, dict) or not all(isinstance(one, str) for one in headers.values()):
        raise CannotAnswer(f"{_where(told)}'headers' is not a table of texts\n{_HINT}")
    if "tenant" in told:
        if not isinstance(told["tenant"], str):
            raise CannotAnswer(f"{_where(told)}'tenant' is no text\nhint: such as \"security\"")
        headers = {**headers, "X-Scope-OrgID": told["tenant"]}
    return tuple((name, _header(name, value, told, environ)) for name, value in headers.items())


def _header(name: str, value: str, told: Mapping[str, Any], environ: Mapping[str, str]) -> Secret:
    """Return the value of a header, without the newline at the end of a file that it came from."""
    filled = _filled(value, told, environ).strip()
    if not (_HEADER.fullmatch(name) and filled.isascii() and filled.isprintable()):
        raise CannotAnswer(
            f"{_where(told)}a header among 'headers' cannot be sent\n"
            "hint: its name and value are of printable ASCII, on one line"
        )
    return Secret(filled)


def _filled(text: str, told: Mapping[str, Any], environ: Mapping[str, str]) -> str:
    """Put the values of environment variables in."""
    missing = [name for name in _VARIABLE.findall(text) if name not in environ]
    if missing:
        raise CannotAnswer(f"{_where(told)}the variable {missing[0]} is not set\nhint: export it")
    return _VARIABLE.sub(lambda found: environ[found[1]], text)


def _file(told: Mapping[str, Any], name: str) -> Path | None:
    if name not in told:
        return None
    path = Path(str(told[name])).expanduser()
    if not path.is_file():
        raise CannotAnswer(f"{_where(told)}{name!r}: {path} is no file\nhint: give one in PEM")
    return path


def _lookback(told: Mapping[str, Any]) -> int:
    found = _DAYS.fullmatch(str(told.get("lookback", "30d")))
    if found is None:
        raise CannotAnswer(f"{_where(told)}'lookback' is no number of days\nhint: such as 30d")
    return int(found[1]) * DAY


def _where(told: Mapping[str, Any]) -> str:
    return f"{told['where']}: " if "where" in told else ""
