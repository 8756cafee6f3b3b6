"""By name: what is redacted, what survives, and that nothing but the value changes."""

from __future__ import annotations

import json
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keytrail.capture import known_names
from keytrail.redaction.memory import KeyMemory
from keytrail.redaction.names import SensitiveNames
from keytrail.redaction.redactor import Redactor
from redaction.redaction_kit import leaks
from support.cases import K1

BY_NAME = Redactor(SensitiveNames(), KeyMemory())

REDACTED_TEXTS = [
    ("http://h/p?color=blue&api_key=K1", "http://h/p?color=blue&api_key=REDACTED"),
    ("http://h/p?API_KEY=K1&page=2", "http://h/p?API_KEY=REDACTED&page=2"),
    ("http://h/p?api-key=K1;page=2", "http://h/p?api-key=REDACTED;page=2"),
    ("http://h/p?apikey=a;b&page=2", "http://h/p?apikey=REDACTED&page=2"),
    ("http://h/cb#access_token=K1&state=1", "http://h/cb#access_token=REDACTED&state=1"),
    ("http://h/p?key=K1", "http://h/p?key=REDACTED"),
    ("http://h/p?user[password]=pw&x=1", "http://h/p?user[password]=REDACTED&x=1"),
    ("http://h/p?token%5B%5D=a&x=1", "http://h/p?token%5B%5D=REDACTED&x=1"),
    ("http://h/p?sig=a%26b&x=1", "http://h/p?sig=REDACTED&x=1"),
    (
        "http://h/o?X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2Fus&X-Amz-Signature=00ff&X-Amz-Date=1",
        "http://h/o?X-Amz-Credential=REDACTED&X-Amz-Signature=REDACTED&X-Amz-Date=1",
    ),
    (
        "http://h/?next=http%3A%2F%2Fx%2F%3Fapi_key%3DK1%26page%3D2&z=1",
        "http://h/?next=http%3A%2F%2Fx%2F%3Fapi_key%3DREDACTED%26page%3D2&z=1",
    ),
    (
        "/?n=%253Fapi_key%253DK1%2526p%253D2%26q=3",
        "/?n=%253Fapi_key%253DREDACTED%2526p%253D2%26q=3",
    ),
    ("http://[bad/%zz?token=K1", "http://[bad/%zz?token=REDACTED"),
    ("http://user:pw@h/p", "http://REDACTED:REDACTED@h/p"),
    ("http://K1@h/p", "http://REDACTED@h/p"),
    ("x%3A%2F%2Fuser%3Apw%40h%2Fp", "x%3A%2F%2FREDACTED%3AREDACTED%40h%2Fp"),
    ("api_key=K1&page=2", "api_key=REDACTED&page=2"),
    ("theme=dark; sessionid=K1", "theme=dark; sessionid=REDACTED"),
    ("Cookie: theme=dark; any=K1\r\nHost: h", "Cookie: REDACTED\r\nHost: h"),
    ('{"api_key": "K1", "page": 2}', '{"api_key": "REDACTED", "page": 2}'),
    ('{"password": 12345678, "page": 2}', '{"password": REDACTED, "page": 2}'),
    (r"{\"secret\":\"K1\",\"page\":2}", r"{\"secret\":\"REDACTED\",\"page\":2}"),
    (r'{"password": "a\"b", "page": 2}', '{"password": "REDACTED", "page": 2}'),
    ("%22token%22%3A%22K1%22", "%22token%22%3A%22REDACTED%22"),
    ("{'X-Api-Key': 'K1', 'a': 'b'}", "{'X-Api-Key': 'REDACTED', 'a': 'b'}"),
    ("{'x-api-key': ['K1', 'K1'], 'a': 1}", "{'x-api-key': ['REDACTED', 'REDACTED'], 'a': 1}"),
    ("[(b'x-api-key', b'K1'), (b'a', b'b')]", "[(b'x-api-key', b'REDACTED'), (b'a', b'b')]"),
    ("Client(api_key='K1', page=2)", "Client(api_key='REDACTED', page=2)"),
    ("Client(api_key=K1, page=2)", "Client(api_key=REDACTED, page=2)"),
    ("X-Api-Key: K1\nAccept: */*", "X-Api-Key: REDACTED\nAccept: */*"),
    ("HTTP_X_API_KEY=K1", "HTTP_X_API_KEY=REDACTED"),
    ("run --api-key=K1 now", "run --api-key=REDACTED now"),
    ("Authorization: Bearer K1\nAccept: */*", "Authorization: REDACTED\nAccept: */*"),
    ("curl -H 'Authorization: Custom K1 x' h", "curl -H 'Authorization: REDACTED' h"),
    (
        'Authorization: Digest username="bob", response="K1"\nHost: h',
        "Authorization: REDACTED\nHost: h",
    ),
    ("sent Bearer K1 to h", "sent Bearer REDACTED to h"),
    ("sent Basic dXNlcjpwYXNz to h", "sent Basic REDACTED to h"),
    ("sent Token K1 to h", "sent Token REDACTED to h"),
    ("token: K1", "token: REDACTED"),
    (r"first\napi_key=K1\nlast", r"first\napi_key=REDACTED\nlast"),
]

SURVIVORS = [
    "author=1&auth_id=2&session_count=3&page=4",
    "keyboard=words_4f9a2c7e8b1d6053&monkey=words_4f9a2c7e8b1d6053",
    "http://h/p?key=short&page=2",
    "http://h/p?key=&token=&page=2",
    "my_tokenizer=abc tokens=12 max_tokens=4096",
    "Invalid token: unexpected character",
    "Bearer authentication required",
    "Basic authentication is off",
    "the token is missing",
    "api_key=None, password=null",
    "    token = request.headers['authorization_scheme']",
    "mailto:someone@example.com",
    "http://example.com/a@b",
    "ssh://git@example.com/repository",
    '{"token": {"kind": "x"}, "signature_version": "4"}',
    "SELECT author, page FROM books WHERE id = 7",
    "4bf92f3577b34da6a3ce929d0e0e4736",
    "123e4567-e89b-12d3-a456-426614174000",
]


@pytest.mark.parametrize(("text", "expected"), REDACTED_TEXTS)
def test_named_value_is_redacted_and_nothing_else(text: str, expected: str) -> None:
    """Only the value of the secret name changes."""
    assert BY_NAME.text(text.replace("K1", K1)) == expected


@pytest.mark.parametrize("text", SURVIVORS)
def test_ordinary_text_survives(text: str) -> None:
    """Names match whole, and words that prose uses need a value that looks like a secret."""
    assert BY_NAME.text(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('  api_key="+x\n    raise "late"\n', '  api_key="REDACTED\n    raise "late"\n'),
        ("token='abc\r\nnext line's end'", "token='REDACTED\r\nnext line's end'"),
        (
            'url = base + "?api_key=" + key\n  File "/srv/shop.py", line 3',
            'url = base + "?api_key="REDACTED\n  File "/srv/shop.py", line 3',
        ),
        ('"{\\"token\\": \\"a\\nb\\", \\"n\\": 1}"', '"{\\"token\\": \\"REDACTED\\", \\"n\\": 1}"'),
        ('tokens\ntoken=["a",\n "b"]\nlast', 'tokens\ntoken=["REDACTED",\n "REDACTED"]\nlast'),
        (
            'private_key="-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA-----\n"\nlast',
            'private_key="REDACTED"\nlast',
        ),
    ],
)
def test_value_in_quotes_ends_with_its_line(text: str, expected: str) -> None:
    """A quote that stays open in a source line hides none of the lines that follow it."""
    assert BY_NAME.text(text) == expected


@pytest.mark.parametrize(("_text", "expected"), REDACTED_TEXTS)
def test_redaction_is_idempotent(_text: str, expected: str) -> None:
    """What is redacted already is left as it is."""
    assert BY_NAME.text(expected) == expected


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("http.request.header.x_api_key", ("a", "b"), ("REDACTED", "REDACTED")),
        ("http.request.header.authorization", ["Bearer a"], ("REDACTED",)),
        ("http.request.header.x-goog-api-key", (b"a",), (b"REDACTED",)),
        ("http.response.header.set_cookie", ("a=b", "c=d"), ("REDACTED", "REDACTED")),
        ("rpc.grpc.request.metadata.authorization", ("a",), ("REDACTED",)),
        ("app.password", 12345678, "REDACTED"),
        ("clientSecret", "x", "REDACTED"),
        ("token", {"a": "x", "b": [1, "y"]}, {"a": "REDACTED", "b": ("REDACTED", "REDACTED")}),
        ("app.token", True, True),
        ("api_key", "", ""),
        ("author", "x", "x"),
        ("gen_ai.usage.input_tokens", 7, 7),
        ("function.signature", "f(x)", "f(x)"),
        ("messaging.kafka.message.key", "order-7", "order-7"),
        (
            "headers",
            {"X-Api-Key": "x", "Accept": "*/*"},
            {"X-Api-Key": "REDACTED", "Accept": "*/*"},
        ),
    ],
)
def test_attribute_names(by_name: Redactor, name: str, value: object, expected: object) -> None:
    """An attribute's name decides over its whole value; order and length are kept."""
    assert by_name.attributes({name: value}) == {name: expected}


def test_every_name_that_carries_a_key_is_redacted() -> None:
    """What extraction takes for a key's name, redaction takes for a secret's."""
    names = (
        known_names.AUTHORIZATION
        | known_names.HEADERS
        | known_names.SECRET_HEADERS
        | known_names.QUERY
        | known_names.SIGNED_QUERY_SECRETS
    )
    passed = {name: BY_NAME.text(f"http://h/p?{name}={K1}&page=2") for name in names}
    assert passed == {name: f"http://h/p?{name}=REDACTED&page=2" for name in names}


def test_users_names_count_everywhere() -> None:
    """Names from the settings are redacted like the built-in ones."""
    redactor = Redactor(SensitiveNames(["X-Shop"], ["sk"], ["Basket"]), KeyMemory())
    text = "X-Shop: abc\n/p?sk=abc&page=1 Cookies basket=abc; theme=dark"
    assert redactor.text(text) == (
        "X-Shop: REDACTED\n/p?sk=REDACTED&page=1 Cookies basket=REDACTED; theme=dark"
    )
    assert redactor.attributes({"http.request.header.x_shop": ("abc",)}) == {
        "http.request.header.x_shop": ("REDACTED",)
    }


HOLDERS: dict[str, Callable[[str], str]] = {
    "url": lambda key: f"http://h/p?color=blue&api_key={quote(key, safe='')}&page=2",
    "fragment": lambda key: f"http://h/cb#access_token={quote(key, safe='')}&state=1",
    "userinfo": lambda key: f"https://user:{quote(key, safe='')}@h/p",
    "dict": lambda key: str({"api_key": key, "page": 2}),
    "json": lambda key: json.dumps({"user": "u", "access_token": key, "n": 1}),
    "headers": lambda key: f"Host: h\r\nX-Api-Key: {key}\r\nAuthorization: Bearer {key}\r\nA: b",
    "asgi": lambda key: repr({"headers": [(b"authorization", b"Bearer " + key.encode())]}),
    "wsgi": lambda key: str({"QUERY_STRING": f"token={key}&b=1", "HTTP_X_API_KEY": key}),
    "call": lambda key: f"Client(base='h', api_key={key!r}, retries=3)",
    "curl": lambda key: f'curl -H "X-Api-Key: {key}" "http://h/p?token={key}"',
    "go": lambda key: f"map[Authorization:[Bearer {key}] Accept:[*/*]]",
    "logfmt": lambda key: f'level=info token="{key}" page=2',
}
WRAPPERS: dict[str, Callable[[str], str]] = {
    "nothing": lambda text: text,
    "repr": repr,
    "bytes": lambda text: repr(text.encode()),
    "json": json.dumps,
    "json in json": lambda text: json.dumps({"m": json.dumps({"msg": text})}),
    "parameter": lambda text: f"http://h/?next={quote(text, safe='')}&z=1",
    "parameter of a parameter": lambda text: quote(quote(text, safe=""), safe=""),
    "form": quote_plus,
    "json in a parameter": lambda text: quote(json.dumps({"url": text}), safe=""),
    "message": lambda text: f"ERROR call failed ({text}), retrying",
}


@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize("holder", HOLDERS)
def test_unknown_key_in_nested_encodings(holder: str, wrapper: str) -> None:
    """However a text with a named secret was quoted or encoded again, the secret goes."""
    once = BY_NAME.text(WRAPPERS[wrapper](HOLDERS[holder](K1)))
    assert "REDACTED" in once
    assert leaks(once.encode(), K1) == []
    assert BY_NAME.text(once) == once


_VALUES = (
    st.text(min_size=1)
    .map(lambda text: quote(text, safe=""))
    .filter(
        lambda text: text.lower() not in {"none", "null", "true", "false", "undefined", "redacted"}
    )
)
_PLAIN_PARTS = st.lists(
    st.sampled_from(["color=blue", "page=2", "q=a%20b", "empty=", "flag", "author=x", "auth_id=7"])
)


@given(
    _PLAIN_PARTS,
    st.sampled_from(["api_key", "Token", "X-Amz-Signature", "sig"]),
    _VALUES,
    _PLAIN_PARTS,
    st.sampled_from(["&", ";"]),
    st.sampled_from(["?", "#"]),
)
def test_url_changes_in_the_value_only(
    before: list[str], name: str, value: str, after: list[str], separator: str, mark: str
) -> None:
    """Every byte of a URL but the secret value stays, whatever the value is."""

    def url(secret: str) -> str:
        parts = [*before, f"{name}={secret}", *after]
        return "https://example.com:8443/a/b" + mark + separator.join(parts)

    after_flag = separator == ";" and after and "=" not in after[0]
    if not after_flag:
        assert BY_NAME.text(url(value)) == url("REDACTED")


_GRAMMAR = st.lists(
    st.sampled_from(
        [
            "api_key", "token", "key", "Authorization", "Bearer", "Basic", "Cookie", "password",
            "=", ":", "&", ";", "?", "#", ",", " ", "\n", '"', "'", "\\", "\\n", "[", "]", "(", ")",
            "%3D", "%26", "%253D", "%22", "://", "@", "REDACTED", "abc", "é", "b'",
            "4f9a2c7e8b1d6053",
        ]
    ),
    max_size=25,
).map("".join)  # fmt: skip


@given(_GRAMMAR)
def test_redacting_twice_is_redacting_once(text: str) -> None:
    """Redaction reaches its fixed point at once on any mixture of what it reads."""
    once = BY_NAME.text(text)
    assert BY_NAME.text(once) == once
