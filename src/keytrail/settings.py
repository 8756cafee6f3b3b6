"""One frozen ``Settings`` and the one reader of ``KEYTRAIL_*`` variables."""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import platformdirs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

PEPPER_BYTES = 32


class Secret:
    """A text that is shown as stars: peppers and delivery headers."""

    __slots__ = ("__value",)

    def __init__(self, value: str) -> None:
        self.__value = value

    def reveal(self) -> str:
        """Return the text."""
        return self.__value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self.__value == other.__value

    def __hash__(self) -> int:
        return hash(self.__value)

    def __repr__(self) -> str:
        return "Secret('**********')"


class SettingsError(ValueError):
    """A setting that cannot be used; names the variable, never its value."""


def _lasting(path: Path) -> Path:
    """Return a path that means the same after the service has changed its directory."""
    try:
        return path.absolute()
    except OSError:  # the directory that it is relative to is gone
        return path


def _default_home() -> Path:
    return _lasting(Path(platformdirs.user_state_dir("keytrail")))


def _setting(default: Any, help: str) -> Any:  # noqa: A002 - the word that argparse and Typer use
    if callable(default):
        return field(default_factory=default, metadata={"help": help})
    return field(default=default, metadata={"help": help})


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set, by ``KEYTRAIL_<NAME>`` or in code by the same name."""

    pepper: Secret | None = _setting(
        None, "HMAC key of the fingerprint: at least 32 bytes of hex or base64 text."
    )
    pepper_file: Path | None = _setting(None, "File that holds the pepper instead.")
    previous_peppers: tuple[Secret, ...] = _setting(
        (), "Earlier peppers, comma-separated; both fingerprints are recorded during a rotation."
    )
    headers: tuple[str, ...] = _setting((), "More header names that carry a key.")
    query: tuple[str, ...] = _setting((), "More query parameters that carry a key.")
    cookies: tuple[str, ...] = _setting((), "Cookies that carry a key; none by default.")
    jwt: Literal["keys", "identity", "all"] = _setting(
        "keys", "Which JWTs count as keys: long-lived ones, by issuer and client, or every one."
    )
    catalogue: Path | None = _setting(None, "TOML file with more providers.")
    inventory: Path | Callable[[], Iterable[Mapping[str, object]]] | None = _setting(
        None,
        "TOML or CSV file that names the owners of keys by fingerprint or public id; in code also "
        "a function that returns the entries.",
    )
    trusted_proxies: tuple[Network, ...] = _setting(
        (), "Networks whose Forwarded and X-Forwarded-For headers are believed, comma-separated."
    )
    key_id_header: str | None = _setting(
        None,
        "Header by which a trusted proxy says which key it has checked, such as "
        "X-Credential-Identifier.",
    )
    cleartext_to: tuple[Network | str, ...] = _setting(
        (),
        "Networks and hosts to which a key may go unencrypted, comma-separated; a leading dot "
        "means the domain and everything below.",
    )
    client_address: Literal["full", "truncated", "none"] = _setting(
        "full", "How much of a client's address is kept; truncated is /24 or /48."
    )
    keyless: Literal["counted", "denied"] = _setting(
        "counted", "What happens to requests without a key: counted, or denied ones recorded."
    )
    redact_logs: bool = _setting(
        False, "Redact what the application's own log handlers write, too: true or false."
    )
    home: Path = _setting(_default_home, "Directory of the journal and the generated pepper.")
    journal_bytes: int = _setting(512 * 1024 * 1024, "Most bytes that the journal may take.")
    journal_days: int = _setting(30, "Days after which closed segments are dropped.")
    store_bytes: int = _setting(
        4 * 1024 * 1024 * 1024, "Most bytes that sealed files may take; the oldest are dropped."
    )
    store_days: int = _setting(400, "Days after which sealed uses are dropped.")
    journal_interval: float = _setting(
        0.2, "Seconds that a use may wait in memory before it is written."
    )
    journal_sync: Literal["off", "batch"] = _setting(
        "off",
        "Whether every batch is on the medium (fdatasync) before the next; off survives a "
        "killed process, batch a power cut too.",
    )
    strict: Literal["off", "on"] = _setting(
        "off", "Whether keytrail.health() says not ready while uses cannot be recorded."
    )
    queue_size: int = _setting(65_536, "Most uses in memory; more are counted as dropped.")
    shutdown_timeout: float = _setting(
        5.0, "Seconds that exit and SIGTERM may wait for the journal and delivery."
    )
    otlp_endpoint: str | None = _setting(
        None,
        "Where every use is delivered: a URL, or 'same' for where OTEL_EXPORTER_OTLP_* points.",
    )
    otlp_protocol: Literal["http/protobuf", "grpc"] = _setting(
        "http/protobuf", "Protocol of the delivery endpoint."
    )
    otlp_form: Literal["spans", "logs", "both"] = _setting(
        "spans", "Form in which uses are delivered: spans, OpenTelemetry log events, or both."
    )
    otlp_headers: Secret | None = _setting(
        None, "Headers of the delivery, as in OTEL_EXPORTER_OTLP_HEADERS."
    )
    otlp_compression: Literal["none", "gzip"] = _setting("none", "Compression of the delivery.")
    otlp_timeout: float = _setting(10.0, "Seconds that one delivery request may take.")
    otlp_certificate: Path | None = _setting(None, "CA file that the endpoint is checked with.")
    otlp_client_key: Path | None = _setting(None, "Private key of the client certificate.")
    otlp_client_certificate: Path | None = _setting(None, "Client certificate.")

    @classmethod
    def from_env(
        cls,
        environ: Mapping[str, str] | None = None,
        *,
        complain: Callable[[str], None] | None = None,
        **overrides: Any,
    ) -> Settings:
        """Read ``KEYTRAIL_*`` from ``environ`` (default: the process's), then apply ``overrides``.

        A variable that is unknown or out of range is named once through ``complain`` and its
        default is kept, so that a service runs on; without ``complain`` it is an error.

        Raises:
            SettingsError: a variable cannot be used and ``complain`` is not given.
            TypeError: ``overrides`` names no setting.

        """
        environ = os.environ if environ is None else environ
        settings = cls()
        for variable, text in sorted(environ.items()):
            if not variable.startswith(PREFIX) or not text or variable in OTHER_VARIABLES:
                continue
            try:
                settings = settings._with(variable, text)
            except SettingsError as error:
                if complain is None:
                    raise
                complain(str(error))
        return replace(settings, **overrides)

    def _with(self, variable: str, text: str) -> Settings:
        name = variable.removeprefix(PREFIX).lower()
        if name not in _READERS:
            raise SettingsError(f"{variable} is not a setting\nhint: see docs/settings.md")
        try:
            value = _READERS[name](text)
        except ValueError as error:
            raise SettingsError(f"{variable}: {error}") from None
        return replace(self, **{name: value})


PREFIX = "KEYTRAIL_"
OTHER_VARIABLES = frozenset(
    {
        "KEYTRAIL_REQUIRE_SERVICES",
        "KEYTRAIL_FULL_SIZE",
        "KEYTRAIL_DIR",
        "KEYTRAIL_AUDIT_ENDPOINT",
        "KEYTRAIL_SOURCES",
    }
)
"""Variables of the tests and of the Collector's configuration, which are not settings."""


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip().lower() for part in text.split(",") if part.strip())


def _cased_names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _networks(text: str) -> tuple[Network, ...]:
    try:
        return tuple(ipaddress.ip_network(part, strict=False) for part in _cased_names(text))
    except ValueError:
        raise ValueError("expected comma-separated networks such as 10.0.0.0/8") from None


def _name(text: str) -> str:
    names = _names(text)
    if len(names) != 1:
        raise ValueError("expected the name of one header")
    return names[0]


def _places(text: str) -> tuple[Network | str, ...]:
    return tuple(_place(part) for part in _names(text))


def _place(text: str) -> Network | str:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        if any(character in "/:@*" or character.isspace() for character in text):
            raise ValueError(
                "expected networks such as 10.0.0.0/8 and hosts such as .internal.example"
            ) from None
        return text


def check_pepper(text: str) -> Secret:
    """Return ``text`` as a pepper.

    Raises:
        ValueError: it is shorter than 32 bytes, not ASCII, or holds a newline, a blank or ``$``.

    """
    if len(text) < PEPPER_BYTES:
        raise ValueError("a pepper needs at least 32 characters\nhint: openssl rand -hex 32")
    if not text.isascii() or not text.isprintable() or any(c in text for c in "$ "):
        raise ValueError(
            "a pepper is printable ASCII without blanks or $\nhint: openssl rand -hex 32"
        )
    return Secret(text)


def _peppers(text: str) -> tuple[Secret, ...]:
    return tuple(check_pepper(part) for part in _cased_names(text))


def _one_of(*choices: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in choices:
            raise ValueError(f"expected one of {', '.join(choices)}")
        return text

    return read


def _switch(text: str) -> bool:
    return _one_of("true", "false")(text.lower()) == "true"


def _number(kind: type[int] | type[float], minimum: float) -> Callable[[str], float]:
    def read(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            raise ValueError("expected a number") from None
        if not minimum <= value < float("inf"):
            raise ValueError(f"expected a number of at least {minimum:,.10g}")
        return value

    return read


def _endpoint(text: str) -> str:
    if text != "same" and not text.startswith(("http://", "https://")):
        raise ValueError("expected 'same' or a URL that begins with http:// or https://")
    return text


def _path(text: str) -> Path:
    try:
        return _lasting(Path(text).expanduser())
    except RuntimeError:
        raise ValueError("nobody knows the home directory that ~ stands for") from None


_READERS: dict[str, Callable[[str], Any]] = {
    "pepper": check_pepper,
    "pepper_file": _path,
    "previous_peppers": _peppers,
    "headers": _names,
    "query": _names,
    "cookies": _cased_names,
    "jwt": _one_of("keys", "identity", "all"),
    "catalogue": _path,
    "inventory": _path,
    "trusted_proxies": _networks,
    "key_id_header": _name,
    "cleartext_to": _places,
    "client_address": _one_of("full", "truncated", "none"),
    "keyless": _one_of("counted", "denied"),
    "redact_logs": _switch,
    "home": _path,
    "journal_bytes": _number(int, 1024 * 1024),
    "journal_days": _number(int, 1),
    "store_bytes": _number(int, 1024 * 1024),
    "store_days": _number(int, 1),
    "journal_interval": _number(float, 0.001),
    "journal_sync": _one_of("off", "batch"),
    "strict": _one_of("off", "on"),
    "queue_size": _number(int, 1),
    "shutdown_timeout": _number(float, 0),
    "otlp_endpoint": _endpoint,
    "otlp_protocol": _one_of("http/protobuf", "grpc"),
    "otlp_form": _one_of("spans", "logs", "both"),
    "otlp_headers": Secret,
    "otlp_compression": _one_of("none", "gzip"),
    "otlp_timeout": _number(float, 0.001),
    "otlp_certificate": _path,
    "otlp_client_key": _path,
    "otlp_client_certificate": _path,
}


def describe() -> list[tuple[str, str, str]]:
    """Return (variable, default, meaning) of every setting, for the docs and ``doctor``."""
    defaults = Settings()
    rows = []
    for setting in fields(Settings):
        default = getattr(defaults, setting.name)
        shown = "" if default in (None, ()) else str(default)
        if setting.name == "home":
            shown = "the platform's state directory"
        rows.append((PREFIX + setting.name.upper(), shown, cast("str", setting.metadata["help"])))
    return rows
