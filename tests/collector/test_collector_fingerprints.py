"""The Collector computes Python's fingerprints, for every form in which a key comes."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import random
import string
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from keytrail.capture.catalogue import built_in_providers
from keytrail.capture.facts import FoundKey
from keytrail.capture.key import RawKey
from keytrail.capture.providers import Catalogue
from keytrail.collector import shapes
from keytrail.collector.picking import HEADERS
from support.cases import F1, F3, F_ARRAY, F_EMPTY, K1, K3, PEPPER
from support.otelcol import Receiver, collector, plain, post, receiver, span, traces
from support.waiting import eventually

STANDALONE = Path(__file__).parents[2] / "collector-config" / "standalone.yaml"
OLD_PEPPER = "fedcba9876543210fedcba9876543210"
PRINTABLE = "".join(chr(code) for code in range(0x21, 0x7F))


def fingerprint(key: str, pepper: str = PEPPER) -> str:
    return hmac.new(pepper.encode(), key.encode(), hashlib.sha256).hexdigest()


PEPPER_ID = fingerprint("keytrail pepper id")[:8]


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def jwt(**claims: Any) -> str:
    parts = ({"alg": "HS256"}, claims)
    encoded = (
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts
    )
    return ".".join((*encoded, "c2lnbmF0dXJl"))


def header(value: str) -> dict[str, Any]:
    return {"http.request.header.x-api-key": [value]}


def authorization(value: str) -> dict[str, Any]:
    return {"http.request.header.authorization": [value]}


FORMS: dict[str, Callable[[str], dict[str, Any]]] = {
    "a list": header,
    "a list under the older name": lambda key: {"http.request.header.x_api_key": [key]},
    "a text": lambda key: {"http.request.header.x-api-key": f" {key} "},
    "a text under the older name": lambda key: {"http.request.header.x_api_key": key},
    "two values": lambda key: {"http.request.header.x-api-key": [key, "another"]},
    "gRPC metadata": lambda key: {"rpc.grpc.request.metadata.x-api-key": [key]},
    "Bearer": lambda key: authorization(f"Bearer {key}"),
    "bearer": lambda key: authorization(f"bearer  {key}"),
    "ApiKey": lambda key: authorization(f"ApiKey {key}"),
    "Bearer twice": lambda key: authorization(f"Bearer bearer {key}"),
    "Bearer, joined with another line": lambda key: authorization(f"Bearer {key}, Basic dTpw"),
    "Basic, as password": lambda key: authorization(f"Basic {b64(f'user:{key}')}"),
    "query": lambda key: {"url.query": f"a=1&api_key={quote(key, safe='')}&b=2"},
    "query in capitals": lambda key: {"url.full": f"https://h/p?API_KEY={quote(key, safe='')}"},
    "query, name encoded": lambda key: {"url.query": f"api%5Fkey={quote(key, safe='')}"},
    "query in http.url": lambda key: {"http.url": f"https://h/?apikey={quote(key, safe='')}#x"},
    "query in http.target": lambda key: {"http.target": f"/p?access_token={quote(key, safe='')}"},
}


def keys(count: int) -> list[str]:
    """Return keys of all lengths in which every printable character occurs everywhere."""
    dice = random.Random(4)
    letters = PRINTABLE + string.ascii_letters
    found = ["".join(dice.choices(letters, k=dice.randint(1, 80))) for _ in range(count)]
    return [key if _stands_alone(key) else f"k{key}x" for key in found]


def _stands_alone(key: str) -> bool:
    return not key.startswith(('["', "ey")) and key != "REDACTED" and " " not in key


@dataclass(frozen=True)
class Through:
    """A running Collector and where it sends what is not only for the audit."""

    port: int
    ordinary: Receiver

    def __call__(
        self,
        attributes: Sequence[Mapping[str, Any]],
        kind: Span.SpanKind.ValueType = Span.SPAN_KIND_SERVER,
    ) -> list[dict[str, Any]]:
        """Return what arrives of spans with these attributes, in their order."""
        before = len(self.ordinary.spans())
        spans = [span(number, one, kind=kind) for number, one in enumerate(attributes, 1)]
        for start in range(0, len(spans), 500):
            assert post(self.port, "/v1/traces", traces(*spans[start : start + 500])) == 200
        eventually(lambda: len(self.ordinary.spans()) >= before + len(spans))
        arrived = self.ordinary.spans()[before:]
        in_order = sorted(arrived, key=lambda one: one.start_time_unix_nano)
        return [plain(one.attributes) for one in in_order]


@contextmanager
def sending(directory: Path, **environ: str) -> Iterator[Through]:
    with (
        receiver() as audit,
        receiver() as ordinary,
        collector(
            directory,
            [STANDALONE],
            KEYTRAIL_AUDIT_ENDPOINT=audit.url,
            KEYTRAIL_ORDINARY_ENDPOINT=ordinary.url,
            **environ,
        ) as running,
    ):
        yield Through(running.port, ordinary)


@pytest.fixture(scope="module")
def seen_through(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Through]:
    """The configuration as it is shipped."""
    with sending(tmp_path_factory.mktemp("through")) as through:
        yield through


def test_a_thousand_keys_have_pythons_fingerprint_in_every_form(tmp_path: Path) -> None:
    """A thousand keys with every printable character get Python's fingerprint, old pepper too."""
    sent = keys(1000)
    assert set("".join(sent)) == set(PRINTABLE)
    spans = [form(key) for form in FORMS.values() for key in sent]
    with sending(tmp_path, KEYTRAIL_PREVIOUS_PEPPER=OLD_PEPPER) as through:
        arrived = through(spans)
    expected = [(fingerprint(key), PEPPER_ID, fingerprint(key, OLD_PEPPER)) for key in sent]
    names = ("keytrail.key.hash", "keytrail.key.pepper_id", "keytrail.key.previous_hash")
    for number, form in enumerate(FORMS):
        of_form = arrived[number * 1000 : (number + 1) * 1000]
        assert (form, [tuple(map(one.get, names)) for one in of_form]) == (form, expected)
    everything = json.dumps(arrived, ensure_ascii=False)
    assert [key for key in sent if len(key) >= 8 and key in everything] == []


ALWAYS = {
    "keytrail.schema_version": "1.0",
    "keytrail.direction": "incoming",
    "keytrail.key.present": True,
    "keytrail.key.pepper_id": PEPPER_ID,
    "keytrail.outcome": "unknown",
    "keytrail.sampled": True,
}
IN_HEADER = {"keytrail.key.location": "header", "keytrail.key.type": "opaque"}
TOLD: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "header, denied": (
        {**header(K1), "http.response.status_code": 401},
        {
            "http.request.header.x-api-key": ["REDACTED"],
            "http.response.status_code": 401,
            **ALWAYS,
            **IN_HEADER,
            "keytrail.key.hash": F1,
            "keytrail.key.field": "x-api-key",
            "keytrail.key.scheme": "none",
            "keytrail.outcome": "denied",
        },
    ),
    "header with a scheme, old status": (
        {"http.request.header.x-api-key": f"Token {K1}", "http.status_code": 429},
        {
            "http.request.header.x-api-key": "REDACTED",
            "http.status_code": 429,
            **ALWAYS,
            **IN_HEADER,
            "keytrail.key.hash": F1,
            "keytrail.key.field": "x-api-key",
            "keytrail.key.scheme": "token",
            "keytrail.outcome": "rate_limited",
        },
    ),
    "Basic with a user name alone": (
        authorization(f"Basic {b64(K1 + ':')}"),
        {
            "http.request.header.authorization": ["REDACTED"],
            **ALWAYS,
            "keytrail.key.hash": F1,
            "keytrail.key.type": "basic",
            "keytrail.key.location": "header",
            "keytrail.key.field": "authorization",
            "keytrail.key.scheme": "basic",
        },
    ),
    "query, percent-encoded": (
        {"url.query": f"c=blue&api_key={quote(K3, safe='')}", "http.response.status_code": 200},
        {
            "url.query": "c=blue&api_key=REDACTED",
            "http.response.status_code": 200,
            **ALWAYS,
            "keytrail.key.hash": F3,
            "keytrail.key.type": "opaque",
            "keytrail.key.location": "query",
            "keytrail.key.field": "api_key",
            "keytrail.findings": ["key_in_url"],
            "keytrail.finding": "key_in_url",
            "keytrail.outcome": "success",
        },
    ),
    "userinfo": (
        {"url.full": f"https://user:{K1}@h/p"},
        {
            "url.full": "https://REDACTED@h/p",
            **ALWAYS,
            "keytrail.key.hash": F1,
            "keytrail.key.type": "basic",
            "keytrail.key.location": "userinfo",
            "keytrail.key.field": "userinfo",
            "keytrail.findings": ["userinfo"],
            "keytrail.finding": "userinfo",
        },
    ),
    "AWS signature": (
        authorization("AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/20260101/x, Signature=00ffee"),
        {
            "http.request.header.authorization": ["REDACTED"],
            **ALWAYS,
            "keytrail.key.hash": fingerprint("AKIAEXAMPLE"),
            "keytrail.key.type": "signature",
            "keytrail.key.location": "header",
            "keytrail.key.field": "authorization",
            "keytrail.key.scheme": "aws4-hmac-sha256",
        },
    ),
    "presigned URL": (
        {"url.full": "https://b/o?X-Amz-Credential=AKIAEXAMPLE%2F2026%2Fx&X-Amz-Signature=00ffee"},
        {
            "url.full": "https://b/o?X-Amz-Credential=REDACTED&X-Amz-Signature=REDACTED",
            **ALWAYS,
            "keytrail.key.hash": fingerprint("AKIAEXAMPLE"),
            "keytrail.key.type": "signed_url",
            "keytrail.key.location": "query",
            "keytrail.key.field": "x-amz-credential",
            "keytrail.findings": ["key_in_url"],
            "keytrail.finding": "key_in_url",
        },
    ),
    "a JWT that never ends is a key": (
        authorization(f"Bearer {jwt(iss='me')}"),
        {
            "http.request.header.authorization": ["REDACTED"],
            **ALWAYS,
            "keytrail.key.hash": fingerprint(jwt(iss="me")),
            "keytrail.key.type": "jwt",
            "keytrail.key.location": "header",
            "keytrail.key.field": "authorization",
            "keytrail.key.scheme": "bearer",
        },
    ),
    "a user's JWT is none, the key beside it is": (
        {**authorization(f"Bearer {jwt(exp=1_700_003_600)}"), **header(K1)},
        {
            "http.request.header.authorization": ["REDACTED"],
            "http.request.header.x-api-key": ["REDACTED"],
            **ALWAYS,
            **IN_HEADER,
            "keytrail.key.hash": F1,
            "keytrail.key.field": "x-api-key",
            "keytrail.key.scheme": "none",
        },
    ),
    "a fingerprint that is one stays": (
        {"keytrail.key.hash": F3, "keytrail.schema_version": "1.0", **header(K1)},
        {
            "keytrail.key.hash": F3,
            "keytrail.schema_version": "1.0",
            "http.request.header.x-api-key": ["REDACTED"],
        },
    ),
    "a fingerprint that is none is removed and counted": (
        {"keytrail.key.hash": K1, "keytrail.schema_version": "1.0"},
        {"keytrail.schema_version": "1.0", "keytrail.redactions": 1},
    ),
    "so in every place for one": (
        {"keytrail.key.other_hashes": [F1, K1], "keytrail.key.previous_hash": K1},
        {"keytrail.redactions": 1},
    ),
    "a public id stays": (
        {"keytrail.key.id": "AKIAIOSFODNN7EXAMPLE", "keytrail.schema_version": "1.0"},
        {"keytrail.key.id": "AKIAIOSFODNN7EXAMPLE", "keytrail.schema_version": "1.0"},
    ),
    "a key in place of a public id does not": (
        {"keytrail.key.id": K1, "keytrail.schema_version": "1.0"},
        {
            "keytrail.key.id": "ktREDACTED",
            "keytrail.schema_version": "1.0",
            "keytrail.redactions": 1,
        },
    ),
}
NO_KEY = {
    "a list with a scheme as text": {"http.request.header.authorization": f'["Bearer {K1}"]'},
    "empty": header(""),
    "blank": header("  "),
    "no value": {"http.request.header.x-api-key": []},
    "a list as text": {"http.request.header.x-api-key": json.dumps([K1])},
    "a list in a list": header(json.dumps([K1])),
    "a scheme alone": authorization("Bearer"),
    "a scheme and blanks": authorization("Bearer  "),
    "empty Basic": authorization(f"Basic {b64(':')}"),
    "Digest": authorization(f'Digest username="x", response="{K1}"'),
    "a user's JWT": authorization(f"Bearer {jwt(exp=1_700_003_600)}"),
    "an encrypted JWT": authorization("Bearer eyJhbGciOiJkaXIifQ..aaaa.bbbb.cccc"),
    "redacted by the service": header("REDACTED"),
    "an empty parameter": {"url.query": "api_key=&token="},
    "a parameter that means something else": {"url.query": "key=blue&sort=date"},
}


K2 = "kt_test_b0c1d2e3f4a59687"
MANY = [f"kt_test_many_{number:08d}" for number in range(8)]


def hashes(*keys: str) -> dict[str, Any]:
    """Return what is told of several keys."""
    first, *others = map(fingerprint, keys)
    return {
        "keytrail.key.hash": first,
        **(
            {"keytrail.key.count": len(keys), "keytrail.key.other_hashes": others} if others else {}
        ),
    }


SEVERAL: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "one": (header(K1), hashes(K1)),
    "two values of a header": ({"http.request.header.x-api-key": [K1, K2]}, hashes(K1, K2)),
    "a number in a list": (
        {"http.request.header.x-api-key": [1234567890123456]},
        hashes("1234567890123456"),
    ),
    "the same twice": ({"http.request.header.x-api-key": [K1, K1]}, hashes(K1)),
    "Authorization before another header": (
        {**header(K2), **authorization(f"Bearer {K1}")},
        hashes(K1, K2),
    ),
    "a header before the query, which conventions tell twice": (
        {
            **header(K1),
            "url.query": f"api_key={quote(K3, safe='')}",
            "url.full": f"https://h/?api_key={quote(K3, safe='')}",
        },
        hashes(K1, K3),
    ),
    "three in a query": (
        {"url.full": f"https://h/p?api_key={K1}&a=1&token={K2}&apikey={MANY[0]}#x"},
        hashes(K1, K2, MANY[0]),
    ),
    "a user's JWT, and behind it a key": (
        {"url.query": f"access_token={jwt(exp=1_700_003_600)}&api_key={K1}"},
        {**hashes(K1), "keytrail.key.type": "opaque"},
    ),
    "one that signs, and one that is sure, in a query": (
        {"url.query": f"X-Amz-Credential=AKIAEXAMPLE%2F2026&access_token={K1}"},
        hashes(K1, "AKIAEXAMPLE"),
    ),
    "query and userinfo": (
        {"url.full": f"https://user:{K2}@h/p?api_key={K1}"},
        {**hashes(K1, K2), "keytrail.findings": ["userinfo", "key_in_url"]},
    ),
    "at most five": (
        {
            "http.request.header.authorization": [f"Bearer {MANY[0]}"],
            "http.request.header.x-api-key": MANY[1:3],
            "http.request.header.api-key": MANY[3:5],
            "http.request.header.apikey": MANY[5:7],
        },
        hashes(*MANY[:5]),
    ),
}


def test_several_keys_of_a_call_are_told(seen_through: Through) -> None:
    """All keys of a call get their fingerprints, each once, the one that is believed first."""
    arrived = seen_through([given for given, _ in SEVERAL.values()])
    names = ("keytrail.key.hash", "keytrail.key.count", "keytrail.key.other_hashes")
    for (name, (_, expected)), told in zip(SEVERAL.items(), arrived, strict=True):
        wanted = {*names, *expected}
        assert (name, {one: told[one] for one in wanted & set(told)}) == (name, expected)
    whole = json.dumps(arrived)
    assert [key for key in (K1, K2, K3, *MANY) if key in whole] == []


CANNOT = {
    "Basic that is no base64": (authorization(f"Basic !{K1}"), "basic"),
    "a key of several lines": ({"url.query": f"api_key={K1}%0Atwo"}, "lines"),
}


def test_a_key_that_cannot_be_fingerprinted_is_said(seen_through: Through) -> None:
    """A call whose key the Collector cannot fingerprint is a use that says why it has none."""
    arrived = seen_through([given for given, _ in CANNOT.values()])
    whole = {name: value for name, value in ALWAYS.items() if name != "keytrail.key.pepper_id"}
    for number, (_, why) in enumerate(CANNOT.values(), 1):
        told = {
            name: value
            for name, value in arrived[number - 1].items()
            if name.startswith("keytrail")
        }
        assert told == {
            **whole,
            "keytrail.collector.cannot": why,
            "keytrail.use.time": 1_700_000_000_000_000_000 + number,
        }
    assert [text for text in (K1, F_EMPTY) if text in json.dumps(arrived)] == []


def calls() -> Iterator[tuple[dict[str, Any], str]]:
    """Yield what outgoing calls have to tell their provider by, and the host that they go to."""
    for entry in built_in_providers():
        for host in entry.hosts:
            called = f"eu.sub{host}" if host.startswith(".") else host
            field = next(iter(entry.headers), "x-api-key")
            if field in HEADERS:
                yield {f"http.request.header.{field}": [K1], "server.address": called}, called
            yield {**header(K1), "url.full": f"https://{called.upper()}:8443/p?a=1"}, called
    for host in ("localhost", "api.stripe.com.example.com", "xapi.stripe.com", ""):
        yield {**header(K1), "server.address": host}, host
        yield {"http.request.header.x-goog-api-key": [K1], "server.address": host}, host


def test_the_provider_is_told_by_the_called_host(seen_through: Through) -> None:
    """The provider of an outgoing key is the one that Python's catalogue names, host by host."""
    catalogue = Catalogue.load()
    given = list(calls())
    arrived = seen_through([one for one, _ in given], kind=Span.SPAN_KIND_CLIENT)
    for (attributes, host), told in zip(given, arrived, strict=True):
        name = next(iter(name for name in attributes if "header" in name)).rpartition(".")[2]
        found = FoundKey(RawKey(K1.encode()), (), "opaque", "header", name, "none", None)
        expected = catalogue.identify(found, host).provider
        assert (host, name, told.get("keytrail.key.provider")) == (host, name, expected)


def test_the_provider_is_told_by_the_shape_of_a_key(seen_through: Through) -> None:
    """Keys of a provider's own shape name it, whichever way the call goes."""
    dice = random.Random(6)
    drawn = [shapes.example(shape, dice) for shape in shapes.shapes() for _ in range(2)]
    sent = [key for key in drawn if len(key) < 1024 and not key.startswith("ey") and key.isascii()]
    arrived = seen_through([header(key) for key in sent])
    catalogue = Catalogue.load()
    told = [one.get("keytrail.key.provider") for one in arrived]
    found = [
        FoundKey(RawKey(key.encode()), (), "opaque", "header", "x-api-key", "none", None)
        for key in sent
    ]
    assert told == [catalogue.identify(one, "").provider for one in found]
    assert len(set(told)) > 10


def test_what_is_told_of_a_key(seen_through: Through) -> None:
    """A key that another language captured gets every attribute that Python would give it."""
    arrived = seen_through([given for given, _ in TOLD.values()])
    for number, (name, (_, expected)) in enumerate(TOLD.items(), 1):
        whole = dict(expected)
        if "keytrail.key.hash" in expected and "keytrail.direction" in expected:
            whole["keytrail.use.time"] = 1_700_000_000_000_000_000 + number
        assert (name, arrived[number - 1]) == (name, whole)


def test_what_is_no_key_gets_no_fingerprint(seen_through: Through) -> None:
    """Nothing is told of what is no key, and its value is gone all the same."""
    arrived = seen_through(list(NO_KEY.values()))
    told = {
        name: [key for key in one if key.startswith("keytrail.")]
        for name, one in zip(NO_KEY, arrived, strict=True)
    }
    assert told == {name: [] for name in NO_KEY}
    whole = json.dumps(arrived)
    assert [text for text in (K1, F_EMPTY, F_ARRAY, jwt(exp=1_700_003_600)) if text in whole] == []
