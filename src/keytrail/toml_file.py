"""A TOML file of the user's, or where it is broken: the place is told, never the text."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_POSITION = re.compile(r" \(at [^()]*\)$")


def read_toml(
    path: Path, unusable: type[Exception], parse_float: Callable[[str], Any] = float
) -> dict[str, Any]:
    """Return what the file says.

    Raises:
        unusable: the file cannot be read or is not TOML; names file and position.

    """
    try:
        with path.open("rb") as file:
            return tomllib.load(file, parse_float=parse_float)
    except OSError as error:
        raise unusable(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise unusable(f"{path}: not UTF-8 text") from None
    except tomllib.TOMLDecodeError as error:
        position = _POSITION.search(str(error))
        raise unusable(f"{path}: not TOML{position[0] if position else ''}") from None
