"""The circle: the nodes of a store, which know one another, ask one another, and answer."""

from __future__ import annotations

from asyncio import Future, get_running_loop, sleep, timeout
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from typing import NamedTuple
import logging
import os
import secrets
import socket

import orjson

from broker.background import Background
from broker.core.cursor import START
from broker.core.errors import StoreUnavailable, Unavailable
from broker.core.message import Draft, Message
from broker.core.nodes import NodeId
from broker.core.ring import Retention
from broker.store.base import Listener, Publication, Store

NODES = "@nodes"
"""The tenant of what nodes tell one another; nobody's name begins with `@`."""

MAX_NODES = 1024
"""Nodes that are known; answers of a larger set would take longer to add up than to wait for."""

MAX_ASKED = 256
"""Questions that may wait for answers at once; beyond, whoever asks gets 503."""

MAX_ANSWERING = 64
"""Questions of others that are answered at once; who asks another finds this node silent."""

FORGET_S = 300.0
"""Seconds for which a node that fell silent is named: longer than anybody takes to look for it."""

GREET_S = 5.0
"""Seconds until a hello that the store did not take is said again."""

_CALLS = "calls"
_ANSWER_CHANNELS = 16
"""Answers are spread over a few channels, so that not every node hears all of them."""
_UNKEPT = Retention(0, 0)
_NAME_BYTES = 8

_log = logging.getLogger(__name__)

Said = Mapping[str, object]
"""The members of what a node says."""

Answering = Callable[[Said], Awaitable[Said]]
"""Answers a question; raises `ValueError` where it is none."""


class Answers(NamedTuple):
    """
    What other nodes answered.

    Attributes:
        told: What each said that answered in time.
        silent: Who did not, now or not long ago, and has not been heard of since.
    """

    told: Sequence[Said]
    silent: tuple[NodeId, ...]


@dataclass(slots=True)
class _Asked:
    """A question on its way: whose answers are missing, those that came, and the end."""

    missing: dict[str, NodeId]
    answers: list[Said]
    done: Future[None]


class _Lost(NamedTuple):
    """A node that fell silent, and when."""

    who: NodeId
    since: float


class Circle:
    """
    Asks the other nodes of a store, and answers for its own.

    Nodes say hello when they begin, and farewell when they end; a node that does not answer in
    time is not waited for again until it is heard of, and named meanwhile, for `FORGET_S` or
    until its process is seen to have ended. So nothing is sent while nobody asks, and a node
    alone asks nobody.

    Args:
        store: Carries what nodes tell one another; nothing of it is kept there.
        clock: Loop time in seconds.

    Attributes:
        who: Which node this is.
    """

    def __init__(self, store: Store, clock: Callable[[], float]) -> None:
        self.who = NodeId(secrets.token_hex(_NAME_BYTES), socket.gethostname(), os.getpid())
        self._store = store
        self._clock = clock
        self._mailbox = f"answers.{secrets.randbelow(_ANSWER_CHANNELS)}"
        self._others: dict[str, NodeId] = {}
        self._lost: dict[str, _Lost] = {}
        self._asked: dict[int, _Asked] = {}
        self._answering: dict[str, Answering] = {}
        self._answers = 0
        self._numbers = count(1)
        self._background = Background()

    @property
    def others(self) -> Collection[str]:
        """Names of the other nodes that are waited for."""
        return self._others.keys()

    @property
    def silent(self) -> tuple[NodeId, ...]:
        """Nodes that fell silent not long ago."""
        now = self._clock()
        for name, lost in list(self._lost.items()):
            if now - lost.since > FORGET_S or self._has_ended(lost.who):
                del self._lost[name]
        return tuple(lost.who for lost in self._lost.values())

    def knows(self, node: str) -> bool:
        """Tell whether there is another node of that name, silent or not."""
        return node in self._others or node in self._lost

    def answer(self, kind: str, answering: Answering) -> None:
        """Have questions of a kind answered."""
        self._answering[kind] = answering

    async def open(self, listener: Listener) -> None:
        """
        Begin to listen, and tell the others that this node is there.

        A store that takes nothing now, being full, is told later: nobody's messages wait for that.

        Raises:
            StoreUnavailable: the store did not answer in time.
        """
        await listener.listen(NODES, [_CALLS, self._mailbox])
        try:
            await self._send(_CALLS, say="hello", to=self._mailbox)
        except StoreUnavailable as error:
            _log.warning("the other nodes do not know yet of this one: %s", error)
            self._background.start(self._greet_later())

    async def _greet_later(self) -> None:
        is_known = False
        while not is_known:
            await sleep(GREET_S)
            with suppress(StoreUnavailable):
                await self._send(_CALLS, say="hello", to=self._mailbox)
                is_known = True

    def greet(self) -> None:
        """Say hello again: what the others said meanwhile was not heard."""
        self._background.start(self._send(_CALLS, say="hello", to=self._mailbox))

    async def close(self) -> None:
        """Tell the others that this node goes; ask and answer nothing more."""
        await self._background.close()
        if self._others or self._lost:
            try:
                await self._send(_CALLS, say="farewell")
            except StoreUnavailable as error:
                _log.info("the other nodes do not know that this one goes: %s", error)

    def check(self, more: int = 0) -> None:
        """
        Refuse another question where too many wait.

        Args:
            more: Questions that will be asked soon.

        Raises:
            Unavailable: too many questions wait for answers already.
        """
        if len(self._asked) + more >= MAX_ASKED:
            raise Unavailable("too many questions wait for the other nodes", limit=MAX_ASKED)

    async def ask(self, kind: str, about: Said, wait_s: float, node: str = "") -> Answers:
        """
        Ask the other nodes, and return what those answered that did so in time.

        Args:
            kind: What kind of question it is.
            about: The question.
            wait_s: Seconds that they get to answer.
            node: Name of the only one that is asked, known to this one; empty for all.

        Raises:
            Unavailable: too many questions wait for answers already.
        """
        self.check()
        asked = _Asked(self._whom(node), [], get_running_loop().create_future())
        if asked.missing:
            await self._wait(asked, {"kind": kind, "about": about, "of": node}, wait_s)
        late = asked.missing if node else asked.missing | {who.node: who for who in self.silent}
        return Answers(asked.answers, tuple(late.values()))

    def _whom(self, node: str) -> dict[str, NodeId]:
        if not node:
            return dict(self._others)
        lost = self._lost.get(node)
        return {node: self._others[node] if lost is None else lost.who}

    async def _wait(self, asked: _Asked, question: Said, wait_s: float) -> None:
        number = next(self._numbers)
        self._asked[number] = asked
        try:
            async with timeout(wait_s):
                await self._send(_CALLS, say="ask", number=number, to=self._mailbox, **question)
                await asked.done
        except TimeoutError:
            for name, who in asked.missing.items():
                self._others.pop(name, None)
                if len(self._lost) < MAX_NODES:
                    self._lost.setdefault(name, _Lost(who, self._clock()))
        except StoreUnavailable as error:
            _log.warning("the other nodes could not be asked: %s", error)
        finally:
            del self._asked[number]

    # --- what other nodes say ----------------------------------------------------------------

    def hear(self, messages: Iterable[Message]) -> None:
        """Take what nodes told one another."""
        for message in messages:
            try:
                said = orjson.loads(message.body)
                if said["node"] != self.who.node:
                    self._hear(said)
            except (KeyError, TypeError, ValueError):  # of another version
                _log.warning("another node says what cannot be understood")

    def _hear(self, said: Said) -> None:
        node, say = str(said["node"]), said["say"]
        if say == "farewell":
            self._forget(node)
            return
        self._lost.pop(node, None)
        if node in self._others or len(self._others) < MAX_NODES:
            self._others[node] = _who(node, said)
        if say == "hello":
            self._background.start(self._send(str(said["to"]), say="here"))
        elif say == "ask" and said["of"] in ("", self.who.node):
            self._answer(said)
        elif say == "answer" and said["for"] == self.who.node:
            self._take(node, said)

    def _answer(self, said: Said) -> None:
        answering, about = self._answering[str(said["kind"])], said["about"]
        if not isinstance(about, dict):
            raise TypeError("a question is an object")
        if self._answers < MAX_ANSWERING:
            self._answers += 1
            self._background.start(self._reply(answering, about, said))

    async def _reply(self, answering: Answering, about: Said, said: Said) -> None:
        try:
            told = await answering(about)
        except ValueError:
            _log.warning("another node asks what cannot be understood")
            return
        finally:
            self._answers -= 1
        answer = {"number": said["number"], "for": said["node"], "told": told}
        await self._send(str(said["to"]), say="answer", **answer)

    def _take(self, node: str, said: Said) -> None:
        number, told = said["number"], said["told"]
        asked = self._asked.get(number) if isinstance(number, int) else None
        if asked is None or not isinstance(told, dict) or node not in asked.missing:
            return
        asked.answers.append(told)
        del asked.missing[node]
        _settle(asked)

    def _forget(self, node: str) -> None:
        self._others.pop(node, None)
        self._lost.pop(node, None)
        for asked in self._asked.values():
            asked.missing.pop(node, None)
            _settle(asked)

    def _has_ended(self, who: NodeId) -> bool:
        """Tell whether a node is seen to have ended: one of this machine, whose process is gone."""
        if who.host != self.who.host:
            return False
        try:
            os.kill(who.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:  # somebody else's, so it runs
            return False
        return False

    async def _send(self, channel: str, **said: object) -> None:
        body = orjson.dumps({**self.who._asdict(), **said})
        publication = Publication([Draft(channel, body)], [_UNKEPT])
        await self._store.publish(NODES, [publication], START)


def _who(node: str, said: Said) -> NodeId:
    host, pid = said["host"], said["pid"]
    if not isinstance(host, str) or not isinstance(pid, int) or pid < 1:
        raise TypeError("a node names its host and its process")
    return NodeId(node, host, pid)


def _settle(asked: _Asked) -> None:
    if not asked.missing and not asked.done.done():
        asked.done.set_result(None)
