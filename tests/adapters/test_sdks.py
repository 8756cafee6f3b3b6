"""The real SDKs, pointed at a loopback server: none needed a line of its own.

On loopback no host tells the provider; the header or the shape of the key does.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import anthropic
import boto3
import botocore.config
import openai
import pytest
import stripe
from google import genai
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON

from keytrail.capture.fingerprint import Peppers
from keytrail.settings import Secret
from support.cases import PEPPER
from support.instrumented import Instrumented

OPENAI = "sk-proj-" + "aB3dE5fG7h" * 7 + "abcd" + "T3BlbkFJ" + "aB3dE5fG7h" * 7 + "abcd"
ANTHROPIC = "sk-ant-api03-" + "aB3dE5fG7h" * 9 + "abc" + "AA"
STRIPE = "sk_test_" + "aB3dE5fG7hJ9kL2mN4pQ6rS8"
GOOGLE = "AIzaSy" + "aB3dE5fG7hJ9kL2mN4pQ6rS8tU0vW2xY4"[:33]
AWS_ID, AWS_SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
MESSAGES: Any = [{"role": "user", "content": "hello"}]


class Provider:
    """A server that answers anything in the way that SDKs expect, after some refusals."""

    def __init__(self) -> None:
        self.url = ""
        self.refusals = 0
        self.paths: list[str] = []

    def answer(self, path: str, wants_stream: bool) -> tuple[int, str, bytes]:
        """Return status, content type and body."""
        self.paths.append(path)
        if self.refusals:
            self.refusals -= 1
            return 503, "application/json", b"{}"
        if "alt=sse" in path:
            return 200, "text/event-stream", b'data: {"candidates": []}\n\n'
        if wants_stream:
            return 200, "text/event-stream", b'data: {"choices": []}\n\ndata: [DONE]\n\n'
        return 200, "application/json", json.dumps({"id": "x", "object": "x", "data": []}).encode()


@pytest.fixture
def provider() -> Iterator[Provider]:
    """The server."""
    provider = Provider()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, kind, answer = provider.answer(self.path, b'"stream":true' in body)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_POST  # noqa: N815 - its base calls it so

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    provider.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield provider
    server.shutdown()
    server.server_close()


def _openai(url: str) -> None:
    client = openai.OpenAI(api_key=OPENAI, base_url=url)
    client.chat.completions.create(model="m", messages=MESSAGES)


def _openai_streamed(url: str) -> None:
    client = openai.OpenAI(api_key=OPENAI, base_url=url)
    list(client.chat.completions.create(model="m", messages=MESSAGES, stream=True))


def _openai_async(url: str) -> None:
    async def call() -> None:
        async with openai.AsyncOpenAI(api_key=OPENAI, base_url=url) as client:
            await client.chat.completions.create(model="m", messages=MESSAGES)

    asyncio.run(call())


def _anthropic(url: str) -> None:
    client = anthropic.Anthropic(api_key=ANTHROPIC, base_url=url)
    client.messages.create(model="m", max_tokens=1, messages=MESSAGES)


def _anthropic_async(url: str) -> None:
    async def call() -> None:
        async with anthropic.AsyncAnthropic(api_key=ANTHROPIC, base_url=url) as client:
            await client.messages.create(model="m", max_tokens=1, messages=MESSAGES)

    asyncio.run(call())


def _stripe(url: str) -> None:
    addresses: Any = {"api": url}
    stripe.StripeClient(STRIPE, base_addresses=addresses, max_network_retries=2).v1.customers.list()


def _google(url: str) -> None:
    options = genai.types.HttpOptions(
        base_url=url, retry_options=genai.types.HttpRetryOptions(attempts=3, initial_delay=0.01)
    )
    with genai.Client(api_key=GOOGLE, http_options=options) as client:
        client.models.generate_content(model="m", contents="hello")


def _google_streamed(url: str) -> None:
    options = genai.types.HttpOptions(base_url=url)
    with genai.Client(api_key=GOOGLE, http_options=options) as client:
        list(client.models.generate_content_stream(model="m", contents="hello"))


def _aws(service: str, url: str) -> Any:
    return boto3.client(
        service,
        endpoint_url=url,
        region_name="eu-west-1",
        aws_access_key_id=AWS_ID,
        aws_secret_access_key=AWS_SECRET,
        config=botocore.config.Config(retries={"total_max_attempts": 3, "mode": "standard"}),
    )


def _boto3(url: str) -> None:
    _aws("dynamodb", url).list_tables()


def _presigned(url: str) -> None:
    import requests

    signed = _aws("s3", url).generate_presigned_url("get_object", {"Bucket": "b", "Key": "k"})
    requests.get(signed, timeout=60)


SDKS: dict[str, tuple[Callable[[str], None], str, str]] = {
    "openai": (_openai, "openai", OPENAI),
    "openai streamed": (_openai_streamed, "openai", OPENAI),
    "openai async": (_openai_async, "openai", OPENAI),
    "anthropic": (_anthropic, "anthropic", ANTHROPIC),
    "anthropic async": (_anthropic_async, "anthropic", ANTHROPIC),
    "stripe": (_stripe, "stripe", STRIPE),
    "google-genai": (_google, "google_api_key", GOOGLE),
    "google-genai streamed": (_google_streamed, "google_api_key", GOOGLE),
    "boto3": (_boto3, "aws_sigv4", AWS_ID),
    "presigned": (_presigned, "aws_sigv4", AWS_ID),
}
RETRYING = ("openai", "openai async", "anthropic", "stripe", "google-genai", "boto3")


def _told(use: dict[str, Any]) -> tuple[Any, ...]:
    return use["key"], use["provider"], use["status"], use["outcome"]


@pytest.mark.parametrize("sampler", [ALWAYS_ON, ALWAYS_OFF], ids=["sampled", "dropped"])
@pytest.mark.parametrize("sdk", SDKS)
def test_a_call_is_one_use_that_names_provider_and_fingerprint(
    sdk: str, sampler: Any, otel: Instrumented, provider: Provider
) -> None:
    """One call, one use, one span where it is sampled; the key is nowhere."""
    otel.start(sampler)
    call, name, key = SDKS[sdk]
    call(provider.url)
    (use,) = otel.uses(1)
    fingerprint = Peppers(Secret(PEPPER)).fingerprint(key.encode())
    assert _told(use) == (fingerprint, name, 200, "success")
    spans = otel.spans(1 if sampler is ALWAYS_ON else 0)
    marked = [span for span in spans if "keytrail.key.hash" in span["attributes"]]
    assert [f"0x{use['span_id']}"] * (sampler is ALWAYS_ON) == [
        span["context"]["span_id"] for span in marked
    ]
    secret = AWS_SECRET if name == "aws_sigv4" else key
    assert secret not in str((use, spans))


@pytest.mark.parametrize("sdk", RETRYING)
def test_every_retry_is_a_use(sdk: str, otel: Instrumented, provider: Provider) -> None:
    """Two refusals and an answer are three uses of one key."""
    otel.start()
    provider.refusals = 2
    call, name, key = SDKS[sdk]
    call(provider.url)
    fingerprint = Peppers(Secret(PEPPER)).fingerprint(key.encode())
    assert [_told(use) for use in otel.uses(3)] == [
        (fingerprint, name, status, outcome)
        for status, outcome in ((503, "error"), (503, "error"), (200, "success"))
    ]
    assert not any("redirected" in use.get("findings", ()) for use in otel.uses())
