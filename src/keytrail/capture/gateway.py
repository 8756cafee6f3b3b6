"""A gateway in front of us that has checked the key, and says under which id it knows it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from keytrail.capture.facts import FoundKey
from keytrail.capture.key import RawKey
from keytrail.capture.providers import as_id

if TYPE_CHECKING:
    from keytrail.capture.client_address import ClientAddress
    from keytrail.capture.extraction import Found
    from keytrail.capture.view import RequestView

logger = logging.getLogger("keytrail")


class Gateway:
    """Reads the header of the settings, of requests whose direct peer is a trusted proxy.

    From anybody else the header says nothing: a client could name any key. The same goes for
    several lines of it, one of which the client may have sent.
    """

    wanted: frozenset[str]
    """The header's lower-case name, if there is one."""

    def __init__(self, header: str | None, client_address: ClientAddress) -> None:
        self._header = (header or "").lower()
        self._client_address = client_address
        self.wanted = frozenset({self._header} - {""})
        if self._header and not client_address.trusted:
            logger.warning(
                "KEYTRAIL_KEY_ID_HEADER has no effect: no proxy is trusted"
                "\nhint: name the gateway's network in KEYTRAIL_TRUSTED_PROXIES"
            )

    def named(self, view: RequestView) -> str | None:
        """Return the id of the key that the gateway has checked."""
        if not self._header:
            return None
        lines = view.header_lines(self._header)
        if len(lines) != 1 or not self._client_address.trusts(view):
            return None
        return as_id(lines[0].strip())

    def complete(self, found: Found, named: str | None) -> Found:
        """Let the id stand for a key that the gateway took out of the request.

        As with a signed request, the secret is not on the wire, and the id is what is hashed.
        """
        if named is not None and not found.keys:
            raw = RawKey(named.encode())
            found.keys.append(FoundKey(raw, (), "signature", "header", self._header, "none"))
        return found
