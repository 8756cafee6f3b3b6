from __future__ import annotations

import pytest

from cli.cli_kit import keytrail
from support.cases import K1

_ODD = "sk-" + "\\'\"" * 6
"""A key that the parser quotes in another way."""


@pytest.mark.parametrize("key", [K1, _ODD])
@pytest.mark.parametrize(
    "before",
    [
        (),
        ("uses",),
        ("keys", "--format"),
        ("leak", "--limit"),
        ("export", "--format"),
        ("collector",),
        ("collector", "render", "--mode"),
    ],
)
def test_no_usage_error_repeats_a_key(before: tuple[str, ...], key: str) -> None:
    """Whatever the parser has to say of an argument that it does not understand."""
    shown = keytrail(*before, key)
    assert (shown.returncode, shown.stdout) == (2, b"")
    assert key not in shown.stderr.decode()
    assert repr(key)[1:-1] not in shown.stderr.decode()
    assert "Usage: keytrail" in shown.stderr.decode()


@pytest.mark.parametrize("option", [f"--{K1}", f"--format={K1}", f"--{K1}=1"])
def test_an_option_that_holds_a_key_is_not_repeated(option: str) -> None:
    """An equals sign too few or too many is a typing error as any other."""
    shown = keytrail("keys", option)
    assert shown.returncode == 2
    assert K1 not in shown.stderr.decode()


def test_a_short_argument_is_repeated() -> None:
    """Who mistypes a command wants to see what was typed."""
    assert "No such command 'kays'. Did you mean 'keys'?" in keytrail("kays").stderr.decode()
