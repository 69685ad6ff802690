"""The forms of the module's answers: JSON, plain text, YAML, XML, by what a client accepts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol
from xml.sax.saxutils import escape
import re

import orjson

from broker.api.survey import ChannelFacts

CRLF = "\r\n"

Facts = Mapping[str, str | int]
"""Names and values, in order."""


class Group(NamedTuple):
    """
    What is said of several channels.

    Attributes:
        head: About all of them.
        channels: About each of them.
    """

    head: Facts
    channels: Sequence[Facts]


class Summary(NamedTuple):
    """
    What is said of everything.

    Attributes:
        head: About everything.
        workers: About each process.
    """

    head: Facts
    workers: Sequence[Facts]


class Form(Protocol):
    """
    One way of writing answers.

    Attributes:
        content_type: Its media type.
    """

    content_type: str

    def channel(self, facts: Facts) -> str:
        """Write the answer about one channel."""

    def group(self, group: Group) -> str:
        """Write the answer about several channels."""

    def summary(self, summary: Summary) -> str:
        """Write the answer about everything."""


class JsonForm(Form):
    """Writes JSON as the module lays it out."""

    def __init__(self, content_type: str) -> None:
        self.content_type = content_type

    def channel(self, facts: Facts) -> str:
        return f"{_json(facts)}{CRLF}"

    def group(self, group: Group) -> str:
        return self._list(group.head, "infos", group.channels)

    def summary(self, summary: Summary) -> str:
        return self._list(summary.head, "by_worker", summary.workers)

    def _list(self, head: Facts, name: str, items: Iterable[Facts]) -> str:
        rows = f",{CRLF}".join(map(_json, items))
        return f'{_json(head)[:-1]}, "{name}": [{CRLF}{rows}{CRLF}]}}{CRLF}'


class PlainForm(Form):
    """Writes lines of text for people."""

    content_type = "text/plain"

    def channel(self, facts: Facts) -> str:
        return _lines(f"{_active(name)}: {value}" for name, value in facts.items())

    def group(self, group: Group) -> str:
        head = ", ".join(f"{name}: {value}" for name, value in group.head.items())
        rows = [
            ", ".join(f"{_active(name)}: {value}" for name, value in facts.items())
            for facts in group.channels
        ]
        return _lines([f"{head}, infos:", *rows])

    def summary(self, summary: Summary) -> str:
        head = [f"{name}: {value}" for name, value in summary.head.items()]
        rows = [f"  {name}: {value}" for facts in summary.workers for name, value in facts.items()]
        return _lines([*head, "by_worker:", *rows])


class YamlForm(Form):
    """Writes YAML; text is quoted, so that no name can be taken for anything else."""

    def __init__(self, content_type: str) -> None:
        self.content_type = content_type

    def channel(self, facts: Facts) -> str:
        return _lines(_yaml(facts))

    def group(self, group: Group) -> str:
        return _lines([*_yaml(group.head), *self._list("infos", group.channels, "")])

    def summary(self, summary: Summary) -> str:
        rows = self._list("by_worker", summary.workers, "  ")
        return _lines([*(f"  {line}" for line in _yaml(summary.head)), *rows])

    def _list(self, name: str, items: Sequence[Facts], indent: str) -> Iterable[str]:
        if not items:
            yield f"{indent}{name}: []"
            return
        yield f"{indent}{name}:"
        for facts in items:
            yield f"{indent} -"
            yield from (f"{indent}   {line}" for line in _yaml(facts))


class XmlForm(Form):
    """Writes XML."""

    content_type = "application/xml"

    def channel(self, facts: Facts) -> str:
        return _document(["<channel>", *_xml(facts), "</channel>"])

    def group(self, group: Group) -> str:
        rows = self._list("channel", group.channels)
        return _document(["<root>", *_xml(group.head), "  <infos>", *rows, "  </infos>", "</root>"])

    def summary(self, summary: Summary) -> str:
        rows = self._list("worker", summary.workers)
        head = _xml(summary.head)
        return _document(["<infos>", *head, "  <by_worker>", *rows, "  </by_worker>", "</infos>"])

    def _list(self, name: str, items: Iterable[Facts]) -> Iterable[str]:
        for facts in items:
            yield f"    <{name}>"
            yield from (f"    {line}" for line in _xml(facts))
            yield f"    </{name}>"


_DEFAULT: Form = JsonForm("application/json")
_FORMS: Mapping[str, Form] = {
    "json": _DEFAULT,
    "x-json": JsonForm("text/x-json"),
    "plain": PlainForm(),
    "yaml": YamlForm("application/yaml"),
    "x-yaml": YamlForm("text/x-yaml"),
    "xml": XmlForm(),
}
_UNWRITABLE_YAML = re.compile("[\x7f-\x9f\ud800-\udfff\ufeff\ufffe\uffff]")
_UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def choose_form(accept: str) -> Form:
    """
    Return the form that a client accepts: the first it names that is known, else JSON.

    Args:
        accept: Header `Accept`, or empty.

    Source: push-stream reference, section 12.
    """
    for part in accept.split(","):
        media_type = part.partition(";")[0]
        form = _FORMS.get(media_type.partition("/")[2].strip().lower())
        if form is not None:
            return form
    return _DEFAULT


def channel_facts(facts: ChannelFacts) -> Facts:
    """Return what the module says of one channel."""
    return {
        "channel": facts.channel,
        "published_messages": facts.published,
        "stored_messages": facts.stored,
        "subscribers": facts.subscribers,
    }


def _json(facts: Facts) -> str:
    members = (f'"{name}": {orjson.dumps(value).decode()}' for name, value in facts.items())
    return f"{{{', '.join(members)}}}"


def _yaml(facts: Facts) -> Iterable[str]:
    return (f"{name}: {_yaml_value(value)}" for name, value in facts.items())


def _yaml_value(value: str | int) -> str:
    """Return a number, or JSON of a text, with characters escaped that no YAML may hold."""
    text = orjson.dumps(value).decode()
    return _UNWRITABLE_YAML.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _xml(facts: Facts) -> Iterable[str]:
    for name, value in facts.items():
        tag = "name" if name == "channel" else name
        yield f"  <{tag}>{_xml_text(str(value))}</{tag}>"


def _xml_text(text: str) -> str:
    return escape(_UNWRITABLE.sub("\ufffd", text))


def _document(lines: Iterable[str]) -> str:
    return _lines(['<?xml version="1.0" encoding="UTF-8" ?>', *lines])


def _lines(lines: Iterable[str]) -> str:
    return "".join(f"{line}{CRLF}" for line in lines)


def _active(name: str) -> str:
    return "active_subscribers" if name == "subscribers" else name
