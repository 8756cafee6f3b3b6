"""The Collector computes Python's fingerprints, for every form in which a key comes."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import random
import string
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from support.cases import F1, F3, F_ARRAY, F_EMPTY, K1, K3, PEPPER
from support.otelcol import (
    collector,
    eventually,
    plain,
    post,
    receiver,
    span,
    traces,
)

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


def seen_through(
    tmp_path: Path, attributes: Sequence[Mapping[str, Any]], **environ: str
) -> list[dict[str, Any]]:
    """Return what arrives of spans with these attributes, in their order."""
    with (
        receiver() as audit,
        receiver() as ordinary,
        collector(
            tmp_path,
            [STANDALONE],
            KEYTRAIL_AUDIT_ENDPOINT=audit.url,
            KEYTRAIL_ORDINARY_ENDPOINT=ordinary.url,
            **environ,
        ) as running,
    ):
        spans = [span(number, one) for number, one in enumerate(attributes, 1)]
        for start in range(0, len(spans), 500):
            assert post(running.port, "/v1/traces", traces(*spans[start : start + 500])) == 200
        eventually(lambda: len(ordinary.span_ids()) >= len(spans))
        arrived = sorted(ordinary.spans(), key=lambda one: one.start_time_unix_nano)
        return [plain(one.attributes) for one in arrived]


def test_a_thousand_keys_have_pythons_fingerprint_in_every_form(tmp_path: Path) -> None:
    """A thousand keys with every printable character get Python's fingerprint, old pepper too."""
    sent = keys(1000)
    assert set("".join(sent)) == set(PRINTABLE)
    spans = [form(key) for form in FORMS.values() for key in sent]
    arrived = seen_through(tmp_path, spans, KEYTRAIL_PREVIOUS_PEPPER=OLD_PEPPER)
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
    "empty": header(""),
    "blank": header("  "),
    "no value": {"http.request.header.x-api-key": []},
    "a list as text": {"http.request.header.x-api-key": json.dumps([K1])},
    "a list in a list": header(json.dumps([K1])),
    "a scheme alone": authorization("Bearer"),
    "a scheme and blanks": authorization("Bearer  "),
    "broken Basic": authorization(f"Basic !{K1}"),
    "empty Basic": authorization(f"Basic {b64(':')}"),
    "Digest": authorization(f'Digest username="x", response="{K1}"'),
    "a user's JWT": authorization(f"Bearer {jwt(exp=1_700_003_600)}"),
    "an encrypted JWT": authorization("Bearer eyJhbGciOiJkaXIifQ..aaaa.bbbb.cccc"),
    "redacted by the service": header("REDACTED"),
    "an empty parameter": {"url.query": "api_key=&token="},
    "a parameter that means something else": {"url.query": "key=blue&sort=date"},
    "several lines": {"url.query": "api_key=one%0Atwo"},
}


def test_what_is_told_of_a_key(tmp_path: Path) -> None:
    """A key that another language captured gets every attribute that Python would give it."""
    arrived = seen_through(tmp_path, [given for given, _ in TOLD.values()])
    for number, (name, (_, expected)) in enumerate(TOLD.items(), 1):
        whole = dict(expected)
        if "keytrail.key.hash" in expected and "keytrail.direction" in expected:
            whole["keytrail.use.time"] = 1_700_000_000_000_000_000 + number
        assert (name, arrived[number - 1]) == (name, whole)


def test_what_is_no_key_gets_no_fingerprint(tmp_path: Path) -> None:
    """Nothing is told of what is no key, and its value is gone all the same."""
    arrived = seen_through(tmp_path, list(NO_KEY.values()))
    told = {
        name: [key for key in one if key.startswith("keytrail.")]
        for name, one in zip(NO_KEY, arrived, strict=True)
    }
    assert told == {name: [] for name in NO_KEY}
    whole = json.dumps(arrived)
    assert [text for text in (K1, F_EMPTY, F_ARRAY, jwt(exp=1_700_003_600)) if text in whole] == []
