"""Speech: what subscribers publish over their own connections, taken like any publish."""

from __future__ import annotations

from asyncio import Future
from collections.abc import Sequence

from broker.api.bodies import message_text
from broker.api.intake import Intake
from broker.core.message import Draft
from broker.store.base import Publication, Stored


class Speech:
    """
    Queues what subscribers say.

    Args:
        intake: Stores messages.
    """

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    def submit(self, tenant: str, channels: Sequence[str], text: bytes) -> Future[Stored]:
        """
        Queue a text for channels, in all of them or in none (P6); JSON as it is, else a string.

        Args:
            tenant: Whose channels.
            channels: Where it goes; that the speaker may do this is for the caller to know.
            text: What was said, not empty.

        Raises:
            BrokerError: What is wrong with it.
        """
        intake = self._intake
        intake.check("", channels)
        body = message_text("auto", text)
        intake.check_size(channels, body)
        targets = intake.targets()
        drafts = [Draft(channel, body) for channel in channels]
        retentions = [targets[channel].retention for channel in channels]
        return intake.submit(tenant, Publication(drafts, retentions))
