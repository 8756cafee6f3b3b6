"""Every provider of the data: its keys, sent as it takes them, are told as its own."""

from __future__ import annotations

import json
import random
import re
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keytrail.capture.catalogue import shaped_providers
from keytrail.capture.facts import KeyFacts
from keytrail.capture.view import RequestView
from support.capture import PEPPERS, READER, make_view

DATA: list[dict[str, Any]] = json.loads(
    Path(__file__).with_name("provider-keys.json").read_text("utf-8")
)
SHAPES: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[2] / "src/keytrail/redaction/token-shapes.json").read_text("utf-8")
)["shapes"]
UNSHAPED = b"0f1e2d3c4b5a69788796a5b4c3d2e1f0"
AWS_ID = b"AKIAIOSFODNN7EXAMPLE"
ACCOUNT = b"app@p.iam.gserviceaccount.com"
ELASTIC = b64encode(b"VuaCfGcBCdbkQm-e5aOx:ui2lp2axTNmsyakw9tvNnw")
TOLD_BY_HOST_ALONE = {"deepseek", "litellm_virtual"}
"""Their keys look like many others': only where they are sent tells."""
TOLD_BY_SHAPE = {
    entry["provider"]
    for entry in DATA
    if entry["pattern"] and entry["provider"] not in {*TOLD_BY_HOST_ALONE, "twilio", "discord_bot"}
}
PUBLIC = {
    "airtable": rb"(pat[A-Za-z0-9]{14})\.",
    "dynatrace": rb"(dt0[a-z]\d{2}\.[A-Z0-9]{24})\.",
    "pinecone": rb"pcsk_([A-Za-z0-9]{5,6})_",
    "sendgrid": rb"SG\.([\w-]{20,24})\.",
    "telegram_bot": rb"(\d{5,16}):",
}
"""The public part of the key itself, of the providers that have one there."""


def _view(where: str, key: bytes, host: str) -> RequestView:
    """Return the request that sends ``key`` as one line of the data's ``where`` says."""
    kind, _, rest = where.partition(": ")
    if kind == "query":
        name, value = rest.split()[0], key
        if rest.startswith("X-Goog-Signature"):
            return make_view(query=b"X-Goog-Signature=00ff&X-Goog-Credential=" + ACCOUNT, host=host)
        return make_view(query=name.encode() + b"=" + value, host=host)
    if kind == "path":
        path = rest.replace("<token>", key.decode()).replace("<secret>", key.decode())
        return make_view(host=host, path=path.replace("T...", "T01").replace("B...", "B02"))
    if kind == "Authorization":
        return make_view(("authorization", _authorization(rest, key)), host=host)
    return make_view((kind.split()[0].lower(), key), host=host)


def _authorization(rest: str, key: bytes) -> bytes:
    scheme, _, form = rest.partition(" ")
    users = {
        "(pk-lf user : sk-lf password)": b"pk-lf-" + b"0" * 36 + b":" + key,
        "(key as USERNAME)": key + b":",
        "(SID user : secret password)": b"AC" + b"0" * 32 + b":" + UNSHAPED,
        "(api:key)": b"api:" + key,
        "(any:key)": b"any:" + key,
        "(__token__:key)": b"__token__:" + key,
        "": b"x-access-token:" + key,
    }
    if scheme == "Basic":
        return b"Basic " + b64encode(users[form])
    if scheme == "AWS4-HMAC-SHA256":
        return b"AWS4-HMAC-SHA256 Credential=" + key + b"/20260101/x/s3/aws4_request, Signature=0f"
    if rest.startswith("<no"):
        return key
    return scheme.encode() + b" " + (ELASTIC if scheme == "ApiKey" else key)


def _called(entry: dict[str, Any]) -> str:
    host: str = entry["hosts"][0] if entry["hosts"] else "gateway.example"
    return "acme" + host if host.startswith(".") else host


PLACES = [
    (entry, where) for entry in DATA for where in entry["where"] if not where.startswith("form:")
]


@pytest.mark.parametrize(
    ("entry", "where"), PLACES, ids=[f"{entry['provider']} {where}" for entry, where in PLACES]
)
@settings(max_examples=3, deadline=None)
@given(data=st.data())
def test_a_key_that_goes_where_its_provider_takes_it(
    entry: dict[str, Any], where: str, data: st.DataObject
) -> None:
    """Provider and public id are told, and nothing is wrong with its host."""
    shape = re.compile((entry["pattern"] or UNSHAPED.decode()).encode())
    key = data.draw(st.from_regex(shape, fullmatch=True))
    read = READER.outgoing(_view(where, key, _called(entry)))
    (told,) = read.facts.keys
    if entry["hosts"] or entry["provider"] not in TOLD_BY_HOST_ALONE or "litellm" in where:
        assert told.provider == entry["provider"]
    assert told.id == _expected_id(entry["provider"], key, where)
    assert "wrong_host" not in read.facts.findings


def _expected_id(provider: str, key: bytes, where: str) -> str | None:
    beside = {
        "langfuse": "pk-lf-" + "0" * 36,
        "twilio": "AC" + "0" * 32,
        "slack_webhook": "T01/B02",
        "elasticsearch": "VuaCfGcBCdbkQm-e5aOx",
        "google_signed_url": ACCOUNT.decode(),
        "aws_sigv4": key.decode(),
    }
    if provider in PUBLIC:
        match = re.match(PUBLIC[provider], key)
        assert match is not None
        return match[1].decode()
    return beside.get(provider)


@pytest.mark.parametrize(
    "entry",
    [one for one in DATA if one["provider"] in TOLD_BY_SHAPE],
    ids=lambda entry: entry["provider"],
)
@settings(max_examples=3, deadline=None)
@given(data=st.data())
def test_the_shape_alone_tells(entry: dict[str, Any], data: st.DataObject) -> None:
    """Presented to us, in any header, a key of a known shape is told as its provider's."""
    key = data.draw(st.from_regex(re.compile(entry["pattern"].encode()), fullmatch=True))
    assert _presented(key).provider == entry["provider"]


def _presented(key: bytes) -> KeyFacts:
    (told,) = READER.incoming(make_view(("x-api-key", key))).facts.keys
    return told


def test_never_more_than_the_public_part_is_shown() -> None:
    """The whole key is shown of the one provider for which it is an identifier."""
    assert _presented(AWS_ID).id == AWS_ID.decode()
    for entry in DATA:
        if entry["provider"] not in {*PUBLIC, "aws_sigv4"} and entry["pattern"]:
            key = _generated(entry["provider"])
            assert key is None or _presented(key).id is None


def _generated(provider: str) -> bytes | None:
    for shape in SHAPES:
        if shape["provider"] == provider:
            return _example(shape["example"], random.Random(provider)).encode()
    return None


def _example(parts: list[Any], chance: random.Random) -> str:
    return "".join(_part(part, chance) for part in parts)


def _part(part: Any, chance: random.Random) -> str:
    if isinstance(part, str):
        return part
    if isinstance(part, dict) and "any" in part:
        return _example(chance.choice(part["any"]), chance)
    if isinstance(part, dict):
        return "".join(_example(part["rep"], chance) for _ in range(part["min"]))
    letters, least, _ = part
    alphabet = [chr(code) for code in range(33, 127) if re.fullmatch(f"[{letters}]", chr(code))]
    return "".join(chance.choice(alphabet) for _ in range(least))


SHARING = ("calendly", "clerk", "hashicorp-terraform", "highnote")
"""Their keys look like others', which the catalogue has first."""
SAME = {"langchain": "langsmith", "hashicorp-vault": "vault"}
DISTINCTIVE = [
    shape
    for shape in SHAPES
    if shape["kind"] == "key"
    and shape["precision"] == "distinctive"
    and shape["provider"] not in SHARING
]


@pytest.mark.parametrize("shape", DISTINCTIVE, ids=lambda shape: shape["id"])
def test_providers_that_are_known_by_their_shape(shape: dict[str, Any]) -> None:
    """A distinctive shape names its provider, by the catalogue's name where it has one."""
    key = _example(shape["example"], random.Random(shape["id"])).encode()
    told = _presented(key).provider
    assert told is not None
    assert _family(told) == _family(SAME.get(shape["provider"], shape["provider"]))


def _family(provider: str) -> str:
    return re.split("[_-]", provider)[0]


def test_a_shape_that_two_providers_share_ties_the_key_to_no_host() -> None:
    """Stripe's and Clerk's secret keys look alike: none of them is at a wrong host for certain."""
    shared, stripes = b"sk_live_" + b"aB3d" * 8, b"sk_live_" + b"aB3d" * 6
    facts = [
        READER.outgoing(make_view(("authorization", b"Bearer " + key), host="api.x.example")).facts
        for key in (shared, stripes)
    ]
    assert [(one.keys[0].provider, one.findings) for one in facts] == [
        ("stripe", ()),
        ("stripe", ("wrong_host",)),
    ]


def test_a_weak_shape_gives_way_to_the_host() -> None:
    """``sk_`` and 48 hex digits is ElevenLabs' format, and that of many home-made keys."""
    key = b"sk_" + b"0f1e2d3c" * 6
    elsewhere = READER.outgoing(make_view(("x-api-key", key), host="api.postman.example")).facts
    assert (elsewhere.keys[0].provider, elsewhere.findings) == ("elevenlabs", ())
    datadog = READER.outgoing(make_view(("dd-api-key", key), host="api.datadoghq.com")).facts
    assert datadog.keys[0].provider == "datadog"


def test_a_host_that_takes_keys_does_not_make_a_stolen_key_its_own() -> None:
    """Anybody can rent a host there: the redirect that brought the key there is still wrong."""
    view = make_view(("x-api-key", UNSHAPED), host="evil.s3.amazonaws.com")
    facts = READER.outgoing(view, ("api.partner.example", 443), redirected=True).facts
    assert facts.findings == ("wrong_host", "redirected")
    assert facts.host_expected == "api.partner.example"
    to_sibling = make_view(("dd-api-key", UNSHAPED), host="eu.datadoghq.com")
    facts = READER.outgoing(to_sibling, ("api.datadoghq.com", 443), redirected=True).facts
    assert facts.findings == ("redirected",)


@pytest.mark.parametrize(
    ("credentials", "key"),
    [
        (b"ghp_" + b"a1B2" * 9 + b":x-oauth-basic", b"ghp_" + b"a1B2" * 9),
        (b"oauth2:glpat-" + b"aB3_xyz" * 4, b"glpat-" + b"aB3_xyz" * 4),
        (AWS_ID + b":" + UNSHAPED, UNSHAPED),
        (b"sk_live_" + b"aB3d" * 6 + b":ignored", b"sk_live_" + b"aB3d" * 6),
    ],
)
def test_which_half_of_basic_is_the_key(credentials: bytes, key: bytes) -> None:
    """The half that looks like a secret key is, whatever stands beside it."""
    view = make_view(("authorization", b"Basic " + b64encode(credentials)))
    (told,) = READER.incoming(view).facts.keys
    assert told.hash == PEPPERS.fingerprint(key)


def test_the_shapes_are_all_in_use() -> None:
    """None is passed over for want of a beginning."""
    assert len(shaped_providers()) > 250
    assert all(entry.prefixes or entry.contains for entry in shaped_providers())
