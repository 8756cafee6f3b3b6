"""Whether a pepper is set, from where, and whether it will be the same tomorrow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keytrail.capture.pepper import GENERATED_NAME, LoadedPeppers, is_there, load_peppers
from keytrail.cli.checks.check import Check
from keytrail.cli.checks.storage import fleeting

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from keytrail.settings import Settings

_SET_ONE = "set KEYTRAIL_PEPPER, the same in every service: openssl rand -hex 32"


def checks(settings: Settings, _environ: Mapping[str, str]) -> Iterator[Check]:
    """Check the pepper that a service would use here; generates none."""
    yield _pepper(settings)


def _pepper(settings: Settings) -> Check:
    if not is_there(settings):
        generated = settings.home / GENERATED_NAME
        return Check(
            "pepper",
            "warn",
            f"none is set: the first service makes one in {generated}",
            _SET_ONE,
        )
    return _loaded(load_peppers(settings))


def _loaded(loaded: LoadedPeppers) -> Check:
    if loaded.problem is not None:
        return Check("pepper", "fail", f"it cannot be read: {loaded.problem}", _SET_ONE)
    if loaded.origin == "setting" or loaded.path is None:
        return Check("pepper", "ok", f"set by KEYTRAIL_PEPPER, id {loaded.peppers.id}")
    return _kept(loaded, loaded.path)


def _kept(loaded: LoadedPeppers, path: Path) -> Check:
    says = f"{loaded.origin} in {path}, id {loaded.peppers.id}"
    if path.stat().st_mode & 0o077:
        return Check("pepper", "fail", f"{path} may be read by other users", f"chmod 600 {path}")
    if (where := fleeting(path)) is not None:
        hint = f"{_SET_ONE}, or keep the file on a volume"
        return Check("pepper", "warn", f"{path} lies {where}: fingerprints then change", hint)
    if loaded.origin == "generated":
        return Check("pepper", "warn", f"{says}: services elsewhere have another", _SET_ONE)
    return Check("pepper", "ok", says)
