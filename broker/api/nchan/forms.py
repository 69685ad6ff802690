"""The forms of nchan's answers: plain text, JSON, XML, YAML, by what a client accepts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from broker.api.survey import ChannelFacts

CRLF = "\r\n"


class NchanFacts(NamedTuple):
    """
    What is said of a channel, or of several that were published to at once.

    Attributes:
        messages: Messages that it holds; of several, the most.
        requested: 0 where somebody listens, else -1: earlier subscribers are not remembered.
        subscribers: Those who listen; of several, all together.
        last_message_id: Cursor of the last message; 0:0 where it had none.
    """

    messages: int
    requested: int
    subscribers: int
    last_message_id: str


class NchanForm(NamedTuple):
    """
    One way of writing answers.

    Attributes:
        content_type: Its media type.
        write: Writes an answer.
    """

    content_type: str
    write: Callable[[NchanFacts], str]


def nchan_facts(channels: Sequence[ChannelFacts]) -> NchanFacts:
    """Return what is said of channels; there is one at least."""
    subscribers = sum(each.subscribers for each in channels)
    head = max(each.head for each in channels)
    return NchanFacts(
        messages=max(each.stored for each in channels),
        requested=0 if subscribers else -1,
        subscribers=subscribers,
        last_message_id=f"{head.time}:{head.tag}",
    )


def choose_nchan_form(accept: str) -> NchanForm:
    """
    Return the form that a client accepts: the first it names that is known, else plain text.

    Args:
        accept: Header `Accept`, or empty.

    Source: nchan 1.3.6, observed.
    """
    for part in accept.split(","):
        form = _FORMS.get(part.partition(";")[0].strip().lower())
        if form is not None:
            return form
    return _PLAIN


def _plain(facts: NchanFacts) -> str:
    return CRLF.join(
        [
            f"queued messages: {facts.messages}",
            f"last requested: {facts.requested} sec. ago",
            f"active subscribers: {facts.subscribers}",
            f"last message id: {facts.last_message_id}",
        ]
    )


def _json(facts: NchanFacts) -> str:
    return (
        f'{{"messages": {facts.messages}, "requested": {facts.requested}, '
        f'"subscribers": {facts.subscribers}, "last_message_id": "{facts.last_message_id}" }}'
    )


def _xml(facts: NchanFacts) -> str:
    rows = (f"  <{name}>{value}</{name}>" for name, value in facts._asdict().items())
    head = '<?xml version="1.0" encoding="UTF-8" ?>'
    return CRLF.join([head, "<channel>", *rows, "</channel>"])


def _yaml(facts: NchanFacts) -> str:
    rows = (f"{name}: {_scalar(value)}" for name, value in facts._asdict().items())
    return _lines(["---", *rows, ""])


def _scalar(value: int | str) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)


def _lines(lines: Iterable[str]) -> str:
    return "".join(f"{line}{CRLF}" for line in lines)


_PLAIN = NchanForm("text/plain", _plain)
_NAMES = {
    "plain": _PLAIN,
    "json": NchanForm("text/json", _json),
    "xml": NchanForm("text/xml", _xml),
    "yaml": NchanForm("text/yaml", _yaml),
    "x-yaml": NchanForm("text/yaml", _yaml),
}
_FORMS: Mapping[str, NchanForm] = {
    f"{kind}/{name}": form for name, form in _NAMES.items() for kind in ("text", "application")
}
