"""Where the pepper comes from: the settings, a file, or one made for this installation."""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING, Literal, NamedTuple

from keytrail.capture.fingerprint import Peppers
from keytrail.settings import Secret, Settings, check_pepper

if TYPE_CHECKING:
    from pathlib import Path

GENERATED_NAME = "pepper"
"""File in ``settings.home`` that holds the generated pepper."""

_MAX_FILE_BYTES = 4096


class LoadedPeppers(NamedTuple):
    """Peppers, and where the current one came from, so that the caller can warn."""

    peppers: Peppers
    origin: Literal["setting", "file", "generated", "process"]
    path: Path | None
    """The file, for ``file`` and ``generated``."""
    problem: str | None = None
    """What kept a better origin from being used, with the path and never a value."""


def is_there(settings: Settings) -> bool:
    """Tell whether :func:`load_peppers` would find a pepper, and generate none."""
    return (
        settings.pepper is not None
        or settings.pepper_file is not None
        or (settings.home / GENERATED_NAME).exists()
    )


def load_peppers(settings: Settings) -> LoadedPeppers:
    """Return the peppers of ``settings``; never raises for what the file system does.

    In order: ``pepper``, ``pepper_file``, the file generated once per installation in ``home``,
    and, where none can be read or written, one that lives as long as the process.
    """
    previous = settings.previous_peppers
    if settings.pepper is not None:
        return LoadedPeppers(Peppers(settings.pepper, previous), "setting", None)
    problem = None
    if settings.pepper_file is not None:
        try:
            pepper = _read(settings.pepper_file)
            return LoadedPeppers(Peppers(pepper, previous), "file", settings.pepper_file)
        except (OSError, ValueError) as error:
            problem = _describe(settings.pepper_file, error)
    generated = settings.home / GENERATED_NAME
    try:
        pepper = _read_or_generate(generated)
        return LoadedPeppers(Peppers(pepper, previous), "generated", generated, problem)
    except (OSError, ValueError) as error:
        problem = problem or _describe(generated, error)
    return LoadedPeppers(Peppers(_new_pepper(), previous), "process", None, problem)


def _read(path: Path) -> Secret:
    with path.open("rb") as file:
        content = file.read(_MAX_FILE_BYTES + 1)
    if len(content) > _MAX_FILE_BYTES:
        raise ValueError("the file is too long for a pepper")
    return check_pepper(content.decode("latin-1").rstrip("\r\n"))


def _read_or_generate(path: Path) -> Secret:
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _publish(path, _new_pepper())
    return _read(path)


def _publish(path: Path, pepper: Secret) -> None:
    """Write ``path`` whole, unless another process was first: its pepper then stands."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(pepper.reveal().encode("ascii") + b"\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def _new_pepper() -> Secret:
    return check_pepper(secrets.token_hex(32))


def _describe(path: Path, error: OSError | ValueError) -> str:
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return f"{path}: {reason}"
