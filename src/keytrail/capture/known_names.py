"""The names under which keys travel; also what ``keytrail.key.field`` may say."""

from __future__ import annotations

from typing import Final

AUTHORIZATION: Final = frozenset({"authorization", "proxy-authorization"})
"""Headers whose value is a scheme and what belongs to it."""

HEADERS: Final = frozenset(
    {
        "access-token",
        "api-key",
        "api-token",
        "apikey",
        "ocp-apim-subscription-key",
        "private-token",
        "subscription-key",
        "x-access-token",
        "x-api-key",
        "x-api-token",
        "x-apikey",
        "x-app-key",
        "x-auth-key",
        "x-auth-token",
        "x-functions-key",
        "x-goog-api-key",
        "x-rapidapi-key",
        "x-subscription-token",
        "xi-api-key",
    }
)
"""Headers whose whole value is a key; the catalogue and the settings add more."""

SECRET_HEADERS: Final = frozenset({"x-amz-security-token"})
"""Headers that go with a key: redacted, but no key of their own."""

QUERY: Final = frozenset(
    {
        "access-token",
        "access_token",
        "accesstoken",
        "api-key",
        "api-token",
        "api_key",
        "api_token",
        "apikey",
        "apitoken",
        "app_key",
        "auth_token",
        "authtoken",
        "key",
        "private_token",
        "sig",
        "subscription-key",
        "subscription_key",
        "token",
        "x-api-key",
    }
)
"""Query parameters that carry a key, lower case; the catalogue and the settings add more."""

AMBIGUOUS_QUERY: Final = frozenset({"key", "sig"})
"""Of those, the names that mean something else as often."""

SIGNED_QUERY_IDS: Final = frozenset(
    {"x-amz-credential", "x-goog-credential", "awsaccesskeyid", "googleaccessid", "key-pair-id"}
)
"""Parameters of presigned URLs that name the key that signed."""

SIGNED_QUERY_SECRETS: Final = frozenset(
    {"x-amz-signature", "x-amz-security-token", "x-goog-signature", "signature"}
)
"""Parameters of presigned URLs that whoever reads them can use."""

SCHEMES: Final = {
    name.encode(): name
    for name in (
        "access-token",
        "accesskey",
        "api-key",
        "api-token",
        "apikey",
        "apitoken",
        "bearer",
        "bot",
        "dpop",
        "geniekey",
        "key",
        "oauth",
        "sso-key",
        "ssws",
        "token",
    )
}
"""Authentication schemes, lower case, that are followed by the key itself."""

KEYLESS_SCHEMES: Final = frozenset(
    (
        b"digest",
        b"hawk",
        b"hmac",
        b"hoba",
        b"kerberos",
        b"mac",
        b"mutual",
        b"negotiate",
        b"ntlm",
        b"scram-sha-1",
        b"scram-sha-256",
        b"sharedaccesssignature",
        b"sharedkey",
        b"sharedkeylite",
        b"signature",
        b"vapid",
    )
)
"""Schemes that prove a key without sending it, differently each time: no key can be told."""

SIGNING_SCHEMES: Final = {
    name.encode(): name
    for name in (
        "aws",
        "aws4-ecdsa-p256-sha256",
        "aws4-hmac-sha256",
        "goog4-hmac-sha256",
        "goog4-rsa-sha256",
    )
}
"""Schemes that sign the request and name the key that signed."""
