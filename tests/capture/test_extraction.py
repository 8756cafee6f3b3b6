"""Where keys are found, what of them is fingerprinted, and what is redacted besides."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keytrail.capture.reader import Read
from keytrail.capture.view import RequestView
from support.capture import PEPPERS, READER, make_reader, make_view
from support.cases import F1, F2, F3, F_ARRAY, F_EMPTY, K1, K2, K3

KEY = K1.encode()
AWS_ID = "AKIAIOSFODNN7EXAMPLE"


def _basic(text: str) -> bytes:
    return b"Basic " + b64encode(text.encode())


def _places(read: Read) -> list[tuple[str, str, str, str, str | None]]:
    return [(k.hash, k.type, k.location, k.field, k.scheme) for k in read.facts.keys]


def _secrets(read: Read) -> set[tuple[bytes, str | None]]:
    return {(secret.reveal(), fingerprint) for secret, fingerprint in read.secrets}


@pytest.mark.parametrize(
    ("name", "value", "kind", "scheme"),
    [
        ("authorization", b"Bearer " + KEY, "opaque", "bearer"),
        ("authorization", b"  bearer \t " + KEY + b" ", "opaque", "bearer"),
        ("authorization", b"ApiKey " + KEY, "opaque", "apikey"),
        ("authorization", b"Token " + KEY, "opaque", "token"),
        ("authorization", b'Token token="' + KEY + b'", nonce="x"', "opaque", "token"),
        ("authorization", b"GenieKey " + KEY, "opaque", "geniekey"),
        ("authorization", b"Acme-Key " + KEY, "opaque", "_other"),
        ("authorization", b"\xffcme " + KEY, "opaque", "_other"),
        ("authorization", KEY, "opaque", "none"),
        ("authorization", b"Bearer Bearer " + KEY, "opaque", "bearer"),
        ("authorization", b"Bearer  Token\t" + KEY, "opaque", "token"),
        ("authorization", b"Bearer " + _basic(f"user:{K1}"), "basic", "basic"),
        ("authorization", b"Bearer\r\n " + KEY, "opaque", "bearer"),
        ("x-api-key", b"ApiKey Bearer " + KEY, "opaque", "bearer"),
        ("authorization", _basic(f"user:{K1}"), "basic", "basic"),
        ("authorization", _basic(f"{K1}:"), "basic", "basic"),
        ("authorization", _basic(K1), "basic", "basic"),
        ("proxy-authorization", _basic(f":{K1}"), "basic", "basic"),
        ("x-api-key", KEY, "opaque", "none"),
        ("x-api-key", b" " + KEY + b"\t", "opaque", "none"),
        ("x-api-key", b"Bearer " + KEY, "opaque", "bearer"),
        ("api-key", KEY, "opaque", "none"),
        ("x-goog-api-key", KEY, "opaque", "none"),
        ("ocp-apim-subscription-key", KEY, "opaque", "none"),
        ("xi-api-key", KEY, "opaque", "none"),
        ("x-auth-token", KEY, "opaque", "none"),
        ("dd-api-key", KEY, "opaque", "none"),
        ("x-shopify-access-token", KEY, "opaque", "none"),
        ("private-token", KEY, "opaque", "none"),
    ],
)
def test_headers_that_carry_a_key(name: str, value: bytes, kind: str, scheme: str) -> None:
    """The key is what is left when scheme and surrounding white space are cut."""
    assert name in READER.wanted
    read = READER.incoming(make_view((name, value)))
    assert _places(read) == [(F1, kind, "header", name, scheme)]
    assert (KEY, F1) in _secrets(read)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b" ",
        b"Bearer",
        b"Bearer ",
        b"bearer\t",
        b"Basic",
        b"Basic Og==",
        b"Bearer bearer ",
        b"AWS4-HMAC-SHA256",
    ],
)
def test_a_scheme_without_a_value_is_no_key(value: bytes) -> None:
    """Nothing is fingerprinted where there is nothing, neither here nor in other headers."""
    empty = (("x-api-key", b""), ("x-api-key", b"  "), ("x-amz-security-token", b""))
    read = READER.incoming(make_view(("authorization", value), *empty, query=b"api_key=&api_key"))
    assert read.facts.keys == ()
    assert read.facts.attributes()["keytrail.key.present"] is False


@pytest.mark.parametrize(
    ("value", "redacted"),
    [
        (b"Basic not!base64", {b"not!base64"}),
        (b"Digest username=u, response=abcdef", {b"username=u, response=abcdef"}),
        (b"Negotiate YIIabc", {b"YIIabc"}),
        (b"NTLM TlRMTVNTUAAB", {b"TlRMTVNTUAAB"}),
        (b'OAuth oauth_token="t", oauth_nonce="n"', {b'oauth_token="t", oauth_nonce="n"'}),
        (b"AWS4-HMAC-SHA256 SignedHeaders=host", {b"SignedHeaders=host"}),
    ],
)
def test_credentials_that_are_no_key_are_redacted(value: bytes, redacted: set[bytes]) -> None:
    """What changes with each request would be a new key each time; it is not told, but redacted."""
    read = READER.incoming(make_view(("authorization", value)))
    assert read.facts.keys == ()
    assert _secrets(read) == {(secret, None) for secret in redacted}


@pytest.mark.parametrize(
    ("query", "fingerprint", "field"),
    [
        (f"color=blue&api_key={K1}", F1, "api_key"),
        (f"API_KEY={K1}", F1, "api_key"),
        (f"api%5Fkey={K1}", F1, "api_key"),
        (f"api_key[]={K1}", F1, "api_key"),
        (f"a=b&api_key%5B0%5D={K1}", F1, "api_key"),
        (f"apikey={K1}", F1, "apikey"),
        (f"access_token={K1}&x", F1, "access_token"),
        (f"token={K1}", F1, "token"),
        (f"subscription-key={K1}", F1, "subscription-key"),
        (f"key={K1}", F1, "key"),
        (f"sig={K1}", F1, "sig"),
        ("api_key=kt_test%2Ba%2Fb%3Dc%20d", F3, "api_key"),
        ("api_key=kt_test+a/b=c%20d", F3, "api_key"),
    ],
)
def test_query_parameters_that_carry_a_key(query: str, fingerprint: str, field: str) -> None:
    """Names are read in any case; values are percent-decoded once, and a plus stays a plus."""
    read = READER.incoming(make_view(query=query.encode()))
    assert _places(read) == [(fingerprint, "opaque", "query", field, None)]
    assert read.facts.findings == ("key_in_url",)


def test_a_query_value_is_decoded_once_and_redacted_in_both_forms() -> None:
    """``%2541`` is the key ``%41``, not ``A``."""
    read = READER.incoming(make_view(query=b"api_key=secret-%2541"))
    fingerprint = PEPPERS.fingerprint(b"secret-%41")
    assert [key.hash for key in read.facts.keys] == [fingerprint]
    assert _secrets(read) == {(b"secret-%41", fingerprint), (b"secret-%2541", fingerprint)}


@pytest.mark.parametrize("value", ["colour", "sorted by name, then date", "", "a" * 15])
def test_key_alone_is_a_key_only_if_it_looks_like_one(value: str) -> None:
    """``?key=name`` of a lookup is none, unless the called host takes its key there."""
    view = make_view(query=f"key={value}".encode(), host="maps.googleapis.com")
    assert READER.incoming(view).facts.keys == ()
    assert len(READER.outgoing(view).facts.keys) == bool(value)


def test_names_that_the_user_adds() -> None:
    """Headers, query parameters and cookies of the settings carry keys, under their own name."""
    reader = make_reader(headers=("X-Acme",), query=("Pass",), cookies=("Sid", "acme_key"))
    cookies = b'theme=dark; Sid="' + KEY + b'"; sid=no; acme_key=' + K2.encode()
    view = make_view(("x-acme", b"a" * 20), ("cookie", cookies), query=b"pass=" + b"b" * 20)
    assert _places(reader.incoming(view)) == [
        (PEPPERS.fingerprint(b"a" * 20), "opaque", "header", "x-acme", "none"),
        (PEPPERS.fingerprint(b"b" * 20), "opaque", "query", "pass", None),
        (F1, "opaque", "cookie", "sid", None),
        (F2, "opaque", "cookie", "acme_key", None),
    ]
    assert {"x-acme", "cookie"} <= reader.wanted
    assert "cookie" not in READER.wanted


def test_sigv4_is_told_by_its_access_key_id() -> None:
    """The secret is not on the wire: the id is the identity, the signature is redacted."""
    value = (
        f"AWS4-HMAC-SHA256 Credential={AWS_ID}/20260101/us-east-1/s3/aws4_request, "
        "SignedHeaders=host;x-amz-date, Signature=00ff00ff"
    ).encode()
    view = make_view(("authorization", value), ("x-amz-security-token", b"session"))
    read = READER.incoming(view)
    fingerprint = PEPPERS.fingerprint(AWS_ID.encode())
    assert _places(read) == [
        (fingerprint, "signature", "header", "authorization", "aws4-hmac-sha256")
    ]
    assert read.facts.keys[0].id == AWS_ID
    assert read.facts.keys[0].provider == "aws_sigv4"
    assert _secrets(read) == {(b"00ff00ff", fingerprint), (b"session", None)}


@pytest.mark.parametrize(
    "value",
    [
        f"AWS4-HMAC-SHA256\tSignedHeaders=host,Signature=00ff,   Credential={AWS_ID}/x",
        f"AWS4-HMAC-SHA256 Credential = {AWS_ID}/x , SignedHeaders = host , Signature = 00ff",
        f'AWS4-HMAC-SHA256 Credential="{AWS_ID}/x", Signature="00ff"',
    ],
)
def test_sigv4_in_other_orders_and_spacings(value: str) -> None:
    """What signs by hand spells the parts as it likes."""
    read = READER.incoming(make_view(("authorization", value.encode())))
    assert [(key.id, key.scheme) for key in read.facts.keys] == [(AWS_ID, "aws4-hmac-sha256")]
    assert {secret for secret, _ in _secrets(read)} == {b"00ff"}


def test_presigned_urls_of_one_key_are_one_identity() -> None:
    """Case A4: signature and security token are redacted, the access key id is the key."""
    hashes = set()
    for signature in (b"00ff", b"11ee"):
        query = (
            f"X-Amz-Credential={AWS_ID}%2F20260101%2Fus-east-1%2Fs3%2Faws4_request".encode()
            + b"&X-Amz-Signature="
            + signature
            + b"&X-Amz-Security-Token=tok"
        )
        read = READER.outgoing(make_view(query=query, host="bucket.s3.amazonaws.com"))
        (key,) = read.facts.keys
        assert (key.type, key.id, key.field) == ("signed_url", AWS_ID, "x-amz-credential")
        assert _secrets(read) == {(signature, key.hash), (b"tok", key.hash)}
        hashes.add(key.hash)
    assert hashes == {PEPPERS.fingerprint(AWS_ID.encode())}


@pytest.mark.parametrize(
    ("query", "key_id"),
    [
        (f"AWSAccessKeyId={AWS_ID}&Signature=00ff&Expires=1", AWS_ID),
        (
            "X-Goog-Credential=app%40p.iam.gserviceaccount.com%2F2026%2Fauto&X-Goog-Signature=00ff",
            "app@p.iam.gserviceaccount.com",
        ),
    ],
)
def test_other_presigned_urls(query: str, key_id: str) -> None:
    """The older form of AWS and Google's are told by their id too."""
    read = READER.outgoing(make_view(query=query.encode(), host="storage.googleapis.com"))
    fingerprint = PEPPERS.fingerprint(key_id.encode())
    assert [(key.hash, key.id) for key in read.facts.keys] == [(fingerprint, key_id)]
    assert _secrets(read) == {(b"00ff", fingerprint)}


def test_a_signature_without_an_id_is_redacted_only() -> None:
    """Nobody can tell whose it is."""
    read = READER.incoming(make_view(query=b"Signature=00%2Bff&Signature=11ee"))
    assert read.facts.keys == ()
    assert _secrets(read) == {(b"00+ff", None), (b"00%2Bff", None), (b"11ee", None)}


@pytest.mark.parametrize(
    ("userinfo", "secrets"),
    [
        (f"user:{K1}".encode(), {KEY}),
        (KEY + b":", {KEY}),
        (KEY, {KEY}),
        (b"us%3Aer:kt_test%5F4f9a2c7e8b1d6053", {KEY, b"kt_test%5F4f9a2c7e8b1d6053"}),
    ],
)
def test_userinfo_of_an_outgoing_url(userinfo: bytes, secrets: set[bytes]) -> None:
    """The password is the key, or the user name where it is empty; each is decoded once."""
    read = READER.outgoing(make_view(userinfo=userinfo))
    assert _places(read) == [(F1, "basic", "userinfo", "userinfo", None)]
    assert read.facts.findings == ("userinfo",)
    assert {secret for secret, fingerprint in _secrets(read) if fingerprint == F1} >= secrets


def test_basic_is_redacted_encoded_too() -> None:
    """The base64 text is as good as the password."""
    read = READER.incoming(make_view(("authorization", _basic(f"user:{K1}"))))
    assert _secrets(read) == {(KEY, F1), (b64encode(f"user:{K1}".encode()), F1)}


def test_the_user_name_is_the_key_where_the_catalogue_says_so() -> None:
    """Stripe takes its key as user name, whatever the password is."""
    key = "sk_live_" + "a1B2" * 6
    read = READER.outgoing(
        make_view(("authorization", _basic(f"{key}:ignored")), host="api.stripe.com")
    )
    fingerprint = PEPPERS.fingerprint(key.encode())
    assert [(k.hash, k.provider) for k in read.facts.keys] == [(fingerprint, "stripe")]
    assert {(key.encode(), fingerprint), (b"ignored", fingerprint)} <= _secrets(read)


def test_a_key_in_a_path_that_the_catalogue_knows() -> None:
    """It is told with its public part, and is gone from the facts' path."""
    secret = "A" * 17 + "b" * 18
    view = make_view(host="api.telegram.org", path=f"/bot123456:{secret}/getMe")
    read = READER.outgoing(view)
    fingerprint = PEPPERS.fingerprint(f"123456:{secret}".encode())
    assert _places(read) == [(fingerprint, "opaque", "path", "path", None)]
    assert (read.facts.keys[0].id, read.facts.keys[0].provider) == ("123456", "telegram_bot")
    assert read.facts.path == "/botREDACTED/getMe"


def test_several_keys_come_in_the_order_of_trust() -> None:
    """Authorization first, then key headers, proxy, query, cookies, however they were sent."""
    values = [f"{letter * 4}{number:016}" for number, letter in enumerate("abcdef")]
    encoded = [value.encode() for value in values]
    view = make_view(
        ("cookie", b"sid=" + encoded[5]),
        ("proxy-authorization", b"Bearer " + encoded[3]),
        ("x-api-key", encoded[1]),
        ("dd-api-key", encoded[2]),
        ("authorization", b"Bearer " + encoded[0]),
        query=b"api_key=" + encoded[4],
    )
    facts = make_reader(cookies=("sid",)).incoming(view).facts
    hashes = [PEPPERS.fingerprint(value) for value in encoded]
    assert [key.hash for key in facts.keys] == hashes
    attributes = facts.attributes()
    assert attributes["keytrail.key.hash"] == hashes[0]
    assert attributes["keytrail.key.count"] == 6
    assert attributes["keytrail.key.other_hashes"] == tuple(hashes[1:5])


def test_the_same_key_twice_is_one_key() -> None:
    """The first place counts, and the findings of the other are told."""
    read = READER.incoming(make_view(("x-api-key", KEY), query=b"api_key=" + KEY))
    assert _places(read) == [(F1, "opaque", "header", "x-api-key", "none")]
    assert read.facts.findings == ("key_in_url", "duplicate")


def test_each_line_of_a_repeated_header_is_looked_at() -> None:
    """Two lines are two keys."""
    read = READER.incoming(make_view(("x-api-key", KEY), ("x-api-key", K2.encode())))
    assert [key.hash for key in read.facts.keys] == [F1, F2]


@pytest.mark.parametrize("comma", [b",", b", "])
def test_lines_of_authorization_that_a_server_joined_are_told_apart(comma: bytes) -> None:
    """A scheme after a comma begins another line."""
    value = b"Bearer " + KEY + comma + b"Basic " + b64encode(b"user:" + K2.encode())
    read = READER.incoming(make_view(("authorization", value)))
    assert _places(read) == [
        (F1, "opaque", "header", "authorization", "bearer"),
        (F2, "basic", "header", "authorization", "basic"),
    ]
    assert read.facts.findings == ("duplicate",)


@pytest.mark.parametrize("scheme", [b"", b"Bearer ", b"Acme "])
def test_bare_keys_that_a_server_joined_are_redacted_apart(scheme: bytes) -> None:
    """Where nothing tells whether the comma is the server's, the whole is the key."""
    joined = KEY + b", " + K2.encode()
    read = READER.incoming(make_view(("authorization", scheme + joined)))
    assert [key.hash for key in read.facts.keys] == [PEPPERS.fingerprint(joined)]
    assert {secret for secret, _ in _secrets(read)} == {joined, KEY, K2.encode()}


@pytest.mark.parametrize(
    ("value", "fingerprint", "scheme"),
    [
        (b"token, " + KEY, F1, "token"),
        (b"Bearer," + KEY + b",json", F1, "bearer"),
        (b"realtime, openai-insecure-api-key." + KEY + b", beta.v1", F1, "none"),
        (b"access_token." + K2.encode(), F2, "none"),
        (b"base64url.bearer.authorization.k8s.io." + b64encode(KEY), F1, "bearer"),
    ],
)
def test_websocket_subprotocols_that_carry_a_key(
    value: bytes, fingerprint: str, scheme: str
) -> None:
    """A page in a browser can send its key in no other header of a handshake."""
    read = READER.incoming(make_view(("sec-websocket-protocol", value)))
    assert _places(read) == [(fingerprint, "opaque", "header", "sec-websocket-protocol", scheme)]


@pytest.mark.parametrize(
    "value", [b"", b"graphql-ws", b"soap, wamp", b"bearer", b"token.v1", b"livekit-token.v1, x,y"]
)
def test_other_websocket_subprotocols_carry_none(value: bytes) -> None:
    """A name of a protocol is no key."""
    assert READER.incoming(make_view(("sec-websocket-protocol", value))).facts.keys == ()


def test_lines_that_a_server_joined_are_one_key_and_redacted_apart() -> None:
    """A comma may be part of a key, so the application saw one value; each part is a secret."""
    joined = KEY + b"," + K2.encode()
    read = READER.incoming(make_view(("x-api-key", joined)))
    fingerprint = PEPPERS.fingerprint(joined)
    assert [key.hash for key in read.facts.keys] == [fingerprint]
    assert {secret for secret, _ in _secrets(read)} == {joined, KEY, K2.encode()}


def test_the_text_of_an_array_is_no_key() -> None:
    """A carrier that was serialised must not give F-array; its elements are redacted."""
    text = f'["{K1}","{K2}"]'.encode()
    read = READER.incoming(make_view(("authorization", b"Bearer " + text)))
    assert read.facts.keys == ()
    assert _secrets(read) == {(text, None), (KEY, None), (K2.encode(), None)}
    with_scheme = f'["Bearer {K1}"]'.encode()
    assert READER.incoming(make_view(("authorization", with_scheme))).facts.keys == ()


@pytest.mark.parametrize("filler", [b"a&", b"a=b&", b"key=1&"])
def test_a_key_cannot_hide_behind_filler(filler: bytes) -> None:
    """What stands at the end of the longest query that servers accept is found."""
    view = make_view(query=filler * (60_000 // len(filler)) + b"api_key=" + KEY)
    assert [key.hash for key in READER.incoming(view).facts.keys] == [F1]


def test_a_key_cannot_hide_behind_other_headers() -> None:
    """Lines of other headers do not use up what is looked at."""
    lines = [("user-agent", b"x")] * 1000
    assert [k.hash for k in READER.incoming(make_view(*lines, ("x-api-key", KEY))).facts.keys] == [
        F1
    ]


def test_what_is_told_of_one_request_is_bounded() -> None:
    """Of a flood of keys sixteen are told; those that are not are redacted."""
    query = b"&".join(b"api_key=flood-%08d" % number for number in range(2000))
    read = READER.incoming(make_view(query=query))
    assert len(read.facts.keys) == 16
    assert len(read.secrets) == 2000


def test_a_header_of_64_kib() -> None:
    """Its key is the whole value."""
    value = b"k" * 65_536
    for line in (("x-api-key", value), ("authorization", b"Bearer " + value)):
        read = READER.incoming(make_view(line))
        assert [key.hash for key in read.facts.keys] == [PEPPERS.fingerprint(value)]


def test_bytes_are_hashed_as_they_were_on_the_wire() -> None:
    """Latin-1, UTF-8 and what is neither each give their own fingerprint."""
    for value in ("schlüssel-schlüssel".encode(), "schlüssel".encode("latin-1") * 2, b"\xff\x00k"):
        read = READER.incoming(make_view(("x-api-key", value)))
        assert [key.hash for key in read.facts.keys] == [PEPPERS.fingerprint(value)]


@pytest.mark.parametrize("key", [K1, K3, "a" * 40])
def test_nothing_of_what_is_returned_shows_a_key(key: str) -> None:
    """The facts hold no raw key, and what holds it shows stars."""
    view = make_view(
        ("authorization", _basic(f"user:{key}")),
        ("x-api-key", key.encode()),
        userinfo=b"u:p",
    )
    assert key not in repr(READER.incoming(view))
    assert key not in repr(READER.outgoing(view))


_HEADERS = st.sampled_from(sorted(READER.wanted | {"cookie", "forwarded", "x-forwarded-for"}))
_VALUES = st.one_of(
    st.binary(max_size=200),
    st.builds(
        lambda scheme, rest: scheme + b" " + rest,
        st.sampled_from([b"Bearer", b"Basic", b"AWS4-HMAC-SHA256", b"AWS", b"Token", b"Digest"]),
        st.one_of(st.binary(max_size=80), st.binary(max_size=80).map(b64encode)),
    ),
    st.sampled_from([f'["{K1}"]'.encode(), b'["K1"]', b'[""]', b"Credential=,Signature="]),
)
_QUERIES = st.one_of(
    st.binary(max_size=200),
    st.builds(
        lambda name, value: name.encode() + b"=" + value,
        st.sampled_from(["api_key", "KEY", "X-Amz-Credential", "Signature", "sig", "%61pikey"]),
        st.binary(max_size=80),
    ),
)
_ANY_READER = make_reader(cookies=("sid",), jwt="identity", client_address="truncated")


@given(
    headers=st.lists(st.tuples(_HEADERS, _VALUES), max_size=6),
    query=_QUERIES,
    userinfo=st.binary(max_size=40),
    host=st.sampled_from(["api.stripe.com", "api.telegram.org", "hooks.slack.com", "x", "", "…"]),
    path=st.text(max_size=60),
    peer=st.text(max_size=20),
)
def test_no_bytes_raise_and_every_fingerprint_is_one(
    headers: Sequence[tuple[str, bytes]], query: bytes, **parts: Any
) -> None:
    """Whatever a caller sends is read; F-empty and F-array never come out."""
    view: RequestView = make_view(*headers, query=query, **parts)
    for read in (_ANY_READER.incoming(view), _ANY_READER.outgoing(view, ("first", 80), True)):
        for key in read.facts.keys:
            assert len(key.hash) == 64
            assert set(key.hash) <= set("0123456789abcdef")
            assert key.hash not in (F_EMPTY, F_ARRAY)
        assert all(len(secret) for secret, _ in read.secrets)
