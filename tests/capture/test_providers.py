"""Who issued a key, and which part of it is public."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest

from keytrail import faults
from keytrail.capture.catalogue import CatalogueError, built_in_providers, read_providers
from keytrail.capture.facts import FoundKey
from keytrail.capture.key import RawKey
from keytrail.capture.providers import Catalogue, Home, Identified
from support.capture import READER, make_reader, make_view
from support.cases import K1

ACME = r"""
[[providers]]
provider = "acme"
hosts = ["api.acme.example", ".eu.acme.example"]
pattern = "acme_[0-9a-z]{8}_[0-9A-Za-z]+"
prefixes = ["acme_"]
headers = ["X-Acme-Key"]
query = ["acme_pass"]
id = "acme_([0-9a-z]{8})_.*"

[[providers]]
provider = "bare"
pattern = "(a|a)*b"

[[providers]]
provider = "short"
pattern = "s_[0-9]{20}"
prefixes = ["s_"]

[[providers]]
provider = "hooks"
hosts = ["hooks.example"]
path = '/in/(?P<id>\w+)/(?P<key>\w+)'
id = "(.*)"
id_in = "companion"
self_hosted = true
"""


def _identify(
    key: str, host: str = "", field: str = "authorization", catalogue: Catalogue | None = None
) -> Identified:
    found = FoundKey(RawKey(key.encode()), (), "opaque", "header", field, "bearer")
    return (catalogue or Catalogue.load()).identify(found, host)


def _sent_to(provider: str, host: str) -> Identified:
    return Identified(provider, None, Home((host,), certain=False))


@pytest.fixture
def acme(tmp_path: Path) -> Path:
    """A catalogue of a user's own."""
    path = tmp_path / "providers.toml"
    path.write_text(ACME)
    return path


@pytest.mark.parametrize(
    ("key", "provider", "public"),
    [
        ("sk-ant-api03-" + "a" * 40, "anthropic", None),
        ("sk-proj-" + "a" * 40, "openai", None),
        ("sk-or-v1-" + "0" * 64, "openrouter", None),
        ("ghp_" + "a" * 36, "github", None),
        ("sk_live_" + "a" * 24, "stripe", None),
        ("AIza" + "a" * 35, "google_api_key", None),
        ("SG." + "i" * 22 + "." + "s" * 43, "sendgrid", "i" * 22),
        ("pat" + "i" * 14 + "." + "0" * 64, "airtable", "pat" + "i" * 14),
        (K1, None, None),
        ("sk-" + "a" * 32, None, None),
        ("sk-proj-short", None, None),
        ("sk-proj-" + "a" * 40 + " and more", None, None),
        ("sk-proj-" + "a" * 5000, None, None),
    ],
)
def test_the_shape_of_a_key_tells_its_provider(
    key: str, provider: str | None, public: str | None
) -> None:
    """Only whole keys of a known shape are told, and only what the catalogue calls public."""
    assert _identify(key)[:2] == (provider, public)


@pytest.mark.parametrize(
    ("host", "field", "expected"),
    [
        ("api.deepseek.com", "authorization", _sent_to("deepseek", "api.deepseek.com")),
        ("x.openai.azure.com", "api-key", _sent_to("azure_openai", ".openai.azure.com")),
        ("a.b.example", "xi-api-key", Identified("elevenlabs")),
        ("a.b.example", "x-api-key", Identified(None)),
        ("api.deepseek.com", "proxy-authorization", Identified(None)),
        ("", "xi-api-key", Identified(None)),
    ],
)
def test_host_and_header_tell_the_provider_of_a_key_without_a_shape(
    host: str, field: str, expected: Identified
) -> None:
    """A header alone binds to no host; incoming requests come to a host of ours."""
    assert _identify(K1, host, field) == expected


def test_the_shape_is_believed_before_the_host() -> None:
    """An Anthropic key that is sent to OpenAI stays Anthropic's."""
    assert _identify("sk-ant-api03-" + "a" * 40, "api.openai.com").provider == "anthropic"


def test_the_public_id_may_stand_beside_the_key() -> None:
    """Twilio's user name is an identifier, the password is the key."""
    sid = "AC" + "0" * 32
    view = make_view(host="api.twilio.com", userinfo=f"{sid}:{K1}".encode())
    (key,) = READER.outgoing(view).facts.keys
    assert (key.provider, key.id) == ("twilio", sid)
    (elsewhere,) = READER.outgoing(make_view(userinfo=f"{sid}:{K1}".encode())).facts.keys
    assert elsewhere.id is None


def test_every_pattern_of_the_catalogue_compiles() -> None:
    """Patterns are compiled when first needed; a test needs them all."""
    for entry in built_in_providers():
        for pattern in (entry.pattern, entry.path, entry.id):
            if pattern is not None:
                pattern.groups()


def test_a_user_adds_providers(acme: Path) -> None:
    """A TOML file of the same fields adds shapes, hosts, headers, query parameters and paths."""
    reader = make_reader(catalogue=acme)
    key = b"acme_00ff00ff_" + b"aB3" * 8
    view = make_view(("x-acme-key", key), query=b"acme_pass=" + K1.encode(), host="evil.example")
    facts = reader.outgoing(view).facts
    assert [(k.provider, k.id, k.field) for k in facts.keys] == [
        ("acme", "00ff00ff", "x-acme-key"),
        ("acme", None, "acme_pass"),
    ]
    assert facts.findings == ("wrong_host", "key_in_url")
    assert facts.host_expected == "api.acme.example"
    assert _identify("s_" + "0" * 20, catalogue=Catalogue.load(acme)) == Identified("short")
    hook = reader.outgoing(make_view(host="hooks.example", path="/in/t1/s3cr3t/x")).facts
    assert (hook.path, hook.keys[0].id) == ("/in/t1/REDACTED/x", "t1")


def test_the_users_word_goes_before_the_catalogues(tmp_path: Path) -> None:
    """A shape that the catalogue gives to another is the user's, hosts and all."""
    path = tmp_path / "providers.toml"
    path.write_text(
        "[[providers]]\nprovider = 'gateway'\nhosts = ['llm.internal']\n"
        "pattern = 'sk-proj-.*'\ncontains = ['-proj-']"
    )
    told = _identify("sk-proj-" + "a" * 40, "api.openai.com", catalogue=Catalogue.load(path))
    assert told == Identified("gateway", None, Home(("llm.internal",)))


def test_a_users_pattern_cannot_backtrack(acme: Path) -> None:
    """What would take a backtracking matcher longer than the universe lasts is answered at once."""
    catalogue = Catalogue.load(acme)
    assert _identify("a" * 1000, catalogue=catalogue) == Identified(None)
    assert _identify("a" * 1000 + "b", catalogue=catalogue) == Identified("bare")


def _provider_in_child(catalogue: Catalogue, results: multiprocessing.Queue[str | None]) -> None:
    results.put(_identify("aaab", catalogue=catalogue).provider)


def test_a_users_pattern_works_after_a_fork(acme: Path) -> None:
    """The child compiles its own."""
    catalogue = Catalogue.load(acme)
    assert _identify("aaab", catalogue=catalogue).provider == "bare"
    context = multiprocessing.get_context("fork")
    results: multiprocessing.Queue[str | None] = context.Queue()
    child = context.Process(target=_provider_in_child, args=(catalogue, results))
    child.start()
    assert results.get(timeout=60) == "bare"
    child.join(timeout=60)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ('[[providers]]\nhosts = ["x"]', "provider 1: 'provider' is missing"),
        ('[[providers]]\nprovider = "x"\nhost = "y"', "provider 1: 'host' is no field"),
        ('[[providers]]\nprovider = "x"\nhosts = "y"', "provider 1: 'hosts' is no field, or not"),
        ('[[providers]]\nprovider = "x"\npattern = "("', "provider 1: 'pattern' is not an RE2"),
        ('[[providers]]\nprovider = "x"\npath = "/x"', "provider 1: 'path' has no group (?P<key>"),
        ('[[providers]]\nprovider = "x"\nid = "x"', "provider 1: 'id' has no group"),
        ('providers = "x"', "'providers' is not a list"),
        ("[[", "not TOML"),
    ],
)
def test_a_catalogue_that_cannot_be_used(tmp_path: Path, content: str, problem: str) -> None:
    """The error names file and entry."""
    path = tmp_path / "providers.toml"
    path.write_text(content)
    with pytest.raises(CatalogueError) as error:
        read_providers(path)
    assert str(error.value).startswith(f"{path}: {problem}")


def test_a_reader_runs_on_without_a_broken_catalogue(tmp_path: Path) -> None:
    """It is counted, and the built-in catalogue serves."""
    faults.reraise = False
    before = faults.counts().get("capture.catalogue", 0)
    reader = make_reader(catalogue=tmp_path / "missing.toml")
    assert faults.counts()["capture.catalogue"] == before + 1
    view = make_view(("authorization", b"Bearer ghp_" + b"a" * 36))
    assert reader.incoming(view).facts.keys[0].provider == "github"
