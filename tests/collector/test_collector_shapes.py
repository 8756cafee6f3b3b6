"""Patterns from the catalogue of shapes, in the form that the Collector searches fast."""

from __future__ import annotations

import random
import re

from keytrail.collector import shapes

INSIDE = {
    "azure-devops-personal-access-token",
    "dropbox-long-lived-api-token",
    "firebase-cloud-messaging-device-token",
    "hashicorp-tf-api-token",
    "mailchimp-api-key",
    "maxmind-license-key",
    "newrelic-new-relic-license-key",
    "telegram-bot-token",
}
"""Their mark stands inside, so that no literal begins them: named in the README as open."""


def test_all_shapes_but_those_marked_inside_have_patterns() -> None:
    """Every shape of the catalogue is searched for, but the eight whose mark stands inside."""
    assert {one["id"] for one in shapes.shapes() if not shapes.patterns_of(one)} == INSIDE


def test_a_pattern_finds_tokens_of_its_shape_whole() -> None:
    """The patterns of a shape find twenty drawn tokens of it, up to their last letter."""
    dice = random.Random(3)
    for shape in shapes.shapes():
        patterns = [re.compile(one + shapes.TAIL) for one in shapes.patterns_of(shape)]
        for _ in range(20 if patterns else 0):
            token = shapes.example(shape, dice)
            spans = [match.span() for one in patterns for match in [one.search(token)] if match]
            assert (shape["id"], max((end for _, end in spans), default=0)) == (
                shape["id"],
                len(token),
            )


def test_every_pattern_begins_with_a_literal() -> None:
    """No pattern begins with a class, a group, a flag or a boundary: those cost much more."""
    slow = [one for one in shapes.for_audit_and_logs() if re.match(r"[\[(.]|\\[a-zA-Z]", one)]
    assert slow == []


def test_prose_is_no_key() -> None:
    """Ordinary lines and identifiers are left alone."""
    patterns = [re.compile(one) for one in shapes.for_spans()]
    lines = (
        "GET /orders/{number}/invoice?page=3&sort=date 200",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0",
        "orders_service.repository.find_by_customer_number",
        "550e8400-e29b-41d4-a716-446655440000",
        "the key=value pairs of token=REDACTED and api_key=REDACTED",
        "disk-usage on node-7 of cluster-eu-west-1",
    )
    assert [line for line in lines for one in patterns if one.search(line)] == []
