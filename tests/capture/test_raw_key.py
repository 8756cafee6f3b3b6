"""A raw key cannot leave by accident."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import pytest

from keytrail.capture.key import RawKey
from support.cases import K1

KEY = RawKey(K1.encode())


@pytest.mark.parametrize("show", [repr, str, "{!r}".format, lambda key: "%s" % key])  # noqa: UP031
def test_is_shown_as_stars(show: Callable[[RawKey], str]) -> None:
    """Whatever shows a raw key shows stars."""
    assert show(KEY) == "RawKey('**********')"


@pytest.mark.parametrize(
    "leak",
    [lambda key: f"{key}", "{}".format, pickle.dumps, copy.copy, copy.deepcopy],
    ids=["f-string", "format", "pickle", "copy", "deepcopy"],
)
def test_refuses_to_be_formatted_pickled_or_copied(leak: Callable[[RawKey], object]) -> None:
    """What would write the value somewhere raises, and the message has no value."""
    with pytest.raises(TypeError) as refused:
        leak(KEY)
    assert str(refused.value) in (
        "a raw key cannot be formatted",
        "a raw key cannot be pickled or copied",
    )


def test_has_no_attributes_to_look_into() -> None:
    """There is no ``__dict__`` that a debugger or serialiser would walk."""
    assert not hasattr(KEY, "__dict__")
