"""Why a ClickHouse does not answer, in words, and what to do about it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from clickhouse_connect.driver.exceptions import ClickHouseError, StreamFailureError
from urllib3.exceptions import HTTPError

from keytrail.sources.limits import StoppedError
from keytrail.sources.source import CannotAnswer
from keytrail.sources.unreachable import is_of_network, unreachable

if TYPE_CHECKING:
    from keytrail.sources.address import Address
    from keytrail.sources.limits import Limits

FAILURES: Final = (ClickHouseError, HTTPError, OSError, StoppedError)
"""What its client raises, also in the middle of an answer."""
_CODE: Final = re.compile(r"\b[Cc]ode:? (\d+)")
_STATUS: Final = re.compile(r"(?:HTTP status|response code) (\d{3})")
_TOO_MUCH: Final = "its profile allows no more for a question: ask for less time, or have it raised"
_LATER: Final = "it is asked too often: ask for less time, or later"
_WHO: Final = "give user and password in the address or a profile"
_HINTS: Final = {
    "60": "name the table by ?table=, and the database by the address's path",
    "81": "name the database by the address's path",
    "159": "ask for less time, or give it more by --timeout",
    "241": "it has too little memory for this: ask for less time",
    "497": "this user may not read the table",
    **dict.fromkeys(("158", "160", "191", "307", "396"), _TOO_MUCH),
    **dict.fromkeys(("201", "202"), _LATER),
    **dict.fromkeys(("192", "193", "194", "516"), _WHO),
    **dict.fromkeys(
        ("209", "210", "279", "519"), "a part of its cluster does not answer: ask later"
    ),
}
_HINTS_OF_STATUS: Final = {"401": _WHO, "403": _WHO, "429": _LATER}


def cannot(address: Address, limits: Limits, error: Exception) -> CannotAnswer:
    """Return what is wrong, where, and the next step; never what was asked, nor its words."""
    if limits.are_over:
        return CannotAnswer(
            f"{address} did not answer within {limits.seconds:g} seconds\nhint: {_HINTS['159']}"
        )
    code, status = _CODE.search(str(error)), _STATUS.search(str(error))
    if code is None and (is_of_network(error) or isinstance(error, StreamFailureError)):
        return unreachable(address, error)
    said = f"code {code[1]}" if code else f"status {status[1]}" if status else "not as it does"
    known = _HINTS.get(code[1]) if code else _HINTS_OF_STATUS.get(status[1]) if status else None
    hint = known or "is the address right, and is it running?"
    return CannotAnswer(f"{address} did not answer: {said}\nhint: {hint}")
