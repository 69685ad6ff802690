"""The channels that come with the broker: all 17 of the reference, and who reads which."""

from __future__ import annotations

import pytest

from broker.catalog import Catalog
from broker.core.grants import Grants, decide
from broker.settings import PACKAGED_CONFIG

OPERATOR = Grants.of({"sub": "op1", "app_id": 100, "role": "operator"})
OTHER_OPERATOR = Grants.of({"sub": "op2", "app_id": 200, "role": "operator"})
VISITOR = Grants.of({"sub": 7, "app_id": "100"})
OTHER_VISITOR = Grants.of({"sub": 8, "app_id": "100"})
NAMESAKE = Grants.of({"sub": 7, "app_id": "200"})
NOBODY = Grants.of({})
TOKENS = {
    "operator": OPERATOR,
    "operator of another app": OTHER_OPERATOR,
    "visitor": VISITOR,
    "other visitor": OTHER_VISITOR,
    "visitor of that id in another app": NAMESAKE,
    "token without claims": NOBODY,
    "no token": None,
}

EVERYBODY_WITH_A_TOKEN = set(TOKENS) - {"no token"}
OPERATORS = {"operator"}
OWNERS = {"operator", "visitor"}

CHANNELS = [
    pytest.param("ping", EVERYBODY_WITH_A_TOKEN, id="d24"),
    pytest.param("user_presence_changed.100", OPERATORS, id="d25"),
    pytest.param("conversation.100", OPERATORS, id="d26"),
    pytest.param("conversation.100.7", OWNERS, id="d27"),
    pytest.param("conversation_started_user.100", OPERATORS, id="d28"),
    pytest.param("conversation_reply.100", OPERATORS, id="d29"),
    pytest.param("conversation_reply.100.7", OWNERS, id="d30"),
    pytest.param("conversation_typing.100", OPERATORS, id="d31"),
    pytest.param("conversation_typing.100.7", OWNERS, id="d32"),
    pytest.param("conversation_read.100", OPERATORS, id="d33"),
    pytest.param("conversation_read.100.7", OWNERS, id="d34"),
    pytest.param("conversation_assigned.100", OPERATORS, id="d35"),
    pytest.param("conversation_closed.100", OPERATORS, id="d36"),
    pytest.param("conversation_tag_added.100", OPERATORS, id="d37"),
    pytest.param("conversation_tag_deleted.100", OPERATORS, id="d38"),
    pytest.param("user_props_changed.100.7", OWNERS, id="d39"),
    pytest.param("event.100.7", OWNERS, id="d40"),
]


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    """Return the catalogue that comes with the broker."""
    return Catalog.load(PACKAGED_CONFIG)


@pytest.mark.parametrize(("channel", "readers"), CHANNELS)
def test_a_channel_is_read_by(catalog: Catalog, channel: str, readers: set[str]) -> None:
    """Exactly those may read the channel, of all the tokens that might try."""
    allowed = {
        name
        for name, grants in TOKENS.items()
        if decide(catalog, grants, "subscribe", channel).allowed
    }
    assert readers == allowed


@pytest.mark.parametrize(("channel", "readers"), CHANNELS)
def test_nobody_publishes_over_a_public_connection_p9(
    catalog: Catalog, channel: str, readers: set[str]
) -> None:
    """Whoever may read may still not publish."""
    assert not any(
        decide(catalog, grants, "publish", channel).allowed for grants in TOKENS.values()
    )


def test_there_are_exactly_the_17_channels_of_the_reference(catalog: Catalog) -> None:
    """Each entry is met by one of D24 to D40, in their order, and says what its messages say."""
    met = [catalog.require(str(channel.values[0])).entry for channel in CHANNELS]
    assert list(catalog.entries) == met
    assert all(entry.description for entry in catalog.entries)


@pytest.mark.parametrize(
    "channel",
    ["conversation", "conversation.100.7.1", "ping.1", "conversation_typing", "event.100", "x"],
)
def test_no_other_channel_exists_p9(catalog: Catalog, channel: str) -> None:
    """Not even for a token that grants itself everything."""
    everything = Grants.of({"role": "operator", "app_id": 100, "channels": ["*"]})
    assert None is catalog.match(channel)
    assert not decide(catalog, everything, "subscribe", channel).allowed


def test_a_claim_that_is_missing_equals_no_empty_segment_p9(catalog: Catalog) -> None:
    """A visitor without an id reads nothing."""
    visitor = Grants.of({"app_id": 100, "sub": ""})
    for channel in ("conversation.100.", "conversation.100", "conversation.100.7"):
        assert not decide(catalog, visitor, "subscribe", channel).allowed


def test_typing_is_forgotten_before_replies(catalog: Catalog) -> None:
    """An indicator is shown for 10 seconds, an answer is wanted the next day."""
    typing = catalog.require("conversation_typing.100.7").retention
    reply = catalog.require("conversation_reply.100.7").retention
    assert typing.age_s <= 60
    assert reply.age_s >= 86_400
    assert 0 == catalog.require("ping").retention.messages
