"""Mounts for publishers: what they narrow."""

from __future__ import annotations

import pytest

from broker.core.publisher_mounts import PublisherMount
from broker.core.ring import Retention
from broker.core.rules import Pattern

RULE = Retention(100, 60)


@pytest.mark.parametrize(
    ("mount", "kept"),
    [
        (PublisherMount("/p", "publisher"), RULE),
        (PublisherMount("/p", "publisher", messages=10, message_ttl_s=5), Retention(10, 5)),
        (PublisherMount("/p", "publisher", messages=1000, message_ttl_s=500), RULE),
        (PublisherMount("/p", "publisher", store=False, messages=10), Retention(0, 0)),
    ],
)
def test_a_mount_keeps_no_more_than_the_rule(mount: PublisherMount, kept: Retention) -> None:
    """It may keep less, or nothing."""
    assert kept == mount.retention(RULE)


def test_a_mount_may_serve_some_channels() -> None:
    """Without patterns it serves any."""
    assert PublisherMount("/p", "publisher").allows("x")
    some = PublisherMount("/p", "publisher", allow=(Pattern("a.{b}"),))
    assert some.allows("a.1")
    assert not some.allows("b.1")
