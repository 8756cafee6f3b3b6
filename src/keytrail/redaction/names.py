"""The names whose values are secret: headers, parameters, cookies, JSON fields."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from keytrail.redaction import own

if TYPE_CHECKING:
    from collections.abc import Iterable


AUTHORIZATION: Final = ("authorization", "proxy-authorization")
"""Headers whose value is a scheme and what follows it."""
COOKIES: Final = ("cookie", "set-cookie")
"""Headers whose value is secret up to the end of the line."""
HEADERS: Final = (
    "access-token",
    "api-key",
    "api-token",
    "dd-api-key",
    "dd-application-key",
    "job-token",
    "ocp-apim-subscription-key",
    "private-token",
    "subscription-key",
    "x-access-token",
    "x-amz-security-token",
    "x-api-key",
    "x-api-token",
    "x-app-key",
    "x-auth-key",
    "x-auth-token",
    "x-csrf-token",
    "x-figma-token",
    "x-functions-key",
    "x-gitlab-token",
    "x-goog-api-key",
    "x-goog-iam-authorization-token",
    "x-rapidapi-key",
    "x-shopify-access-token",
    "x-subscription-token",
    "x-vault-token",
    "x-xsrf-token",
    "xi-api-key",
)
PARAMETERS: Final = (
    "access_key",
    "access_token",
    "api_secret",
    "app_key",
    "application_key",
    "appid",
    "auth_key",
    "auth_token",
    "aws_secret_access_key",
    "aws_session_token",
    "awsaccesskeyid",
    "bearer_token",
    "client_assertion",
    "client_secret",
    "consumer_secret",
    "csrf_token",
    "id_token",
    "oauth_signature",
    "oauth_token",
    "oauth_token_secret",
    "passphrase",
    "passwd",
    "password",
    "private_key",
    "pwd",
    "refresh_token",
    "secret_access_key",
    "secret_key",
    "secret_token",
    "security_token",
    "session_token",
    "sharedaccesskey",
    "sharedaccesssignature",
    "subscription_key",
    "x-amz-credential",
    "x-amz-signature",
    "x-goog-credential",
    "x-goog-signature",
    "aspsessionid",
    "connect.sid",
    "csrftoken",
    "jsessionid",
    "phpsessid",
    "sessionid",
    "xsrf_token",
)
WORDS: Final = ("auth", "credential", "credentials", "jwt", "secret", "sig", "signature", "token")
"""Names that prose uses too: after a colon only what looks like a token is their value."""
IN_QUERY: Final = "key"
"""The name that is a key's only in a query string, and there only before a long value."""
_NO_ATTRIBUTE: Final = frozenset({"signature"})
"""Words that name harmless span attributes, such as a function's signature."""
_HEADER_ATTRIBUTE: Final = re.compile(
    r"(?:http|rpc)\.[a-z_.]*?(?:header|metadata)\.(.+)", re.DOTALL
)


class SensitiveNames:
    """Names whose values are redacted: keytrail's list and the names that the user adds.

    Names compare whole, in any case, with ``-``, ``_`` or nothing between their words.
    """

    def __init__(
        self,
        headers: Iterable[str] = (),
        query: Iterable[str] = (),
        cookies: Iterable[str] = (),
    ) -> None:
        added = [name for name in (*headers, *query, *cookies) if compact(name)]
        named = (*AUTHORIZATION, *COOKIES, *HEADERS, *PARAMETERS, *WORDS, *added)
        self.listed = tuple(dict.fromkeys(name.lower() for name in named))
        self.authorization = frozenset(map(compact, AUTHORIZATION))
        self.cookies = frozenset(map(compact, COOKIES))
        self.words = frozenset(map(compact, WORDS)) - frozenset(map(compact, added))
        self.only_in_query = frozenset({IN_QUERY}) - frozenset(map(compact, added))
        self._attributes = frozenset(map(compact, self.listed)) - _NO_ATTRIBUTE
        self.secret = lru_cache(maxsize=4096)(self._secret)
        """Tell whether an attribute's or a mapping's name says that its value is secret."""
        self.ordinary = lru_cache(maxsize=4096)(self._ordinary)
        """Tell whether only the value of an attribute decides what happens to it."""

    def _ordinary(self, attribute: str) -> bool:
        return attribute not in own.JUDGED and not self._secret(attribute)

    def _secret(self, attribute: str) -> bool:
        header = _HEADER_ATTRIBUTE.fullmatch(attribute)
        name = header[1] if header else attribute.rpartition(".")[2]
        return compact(name) in self._attributes or compact(attribute) in self._attributes


def compact(name: str) -> str:
    """Return ``name`` in lower case without what separates its words."""
    return re.sub(r"[-_. ]", "", name.lower())
