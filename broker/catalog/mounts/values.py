"""Typed values of mounts out of nodes: what `channels` has no need of."""

from __future__ import annotations

import re

from broker.catalog.document import Listing, Node, Scalar
from broker.catalog.values import ValueReader
from broker.core.channels import check_channel, shown
from broker.core.errors import BadChannel
from broker.core.rules import VARIABLE, BadPattern, Pattern
from broker.core.templates import MAX_TEMPLATE_CHARACTERS

MAX_NAMES = 1000
"""Channels or patterns of one mount."""

MAX_NAME_BYTES = 512
"""Bytes of a channel's name or pattern."""

_PATH = re.compile(r"(?:/[A-Za-z0-9._~!$'()*+,;=:@&-]+)+")
_ARGUMENT = re.compile(r"[A-Za-z0-9._-]{1,64}")


class MountValues(ValueReader):
    """Reads values of mounts; see `ValueReader`."""

    def path(self, node: Node) -> str:
        """Read the path of a mount; empty where it is none."""
        text = self.text(node, "path")
        if text is None:
            return ""
        path = text.removesuffix("/")
        if not _PATH.fullmatch(path) or path.startswith("/."):
            self.report(
                node.place,
                f"a path is made of segments, each behind a slash, for example /ws, not"
                f" {shown(text)}",
            )
            return ""
        return path

    def flag(self, node: Node, what: str) -> bool:
        """Read `true` or `false`; false where it is neither."""
        value = node.boolean if isinstance(node, Scalar) else None
        if value is None:
            self._mismatch(node, what, "true or false")
        return bool(value)

    def words(self, node: Node, what: str, limit: int = MAX_TEMPLATE_CHARACTERS) -> str:
        """Read text that may be empty, if it is quoted."""
        if isinstance(node, Scalar) and not node.text and not node.plain:
            return ""
        text = self.text(node, what) or ""
        if len(text) > limit:
            self.report(node.place, f"{what} has {len(text)} characters, the limit is {limit}")
        return text[:limit]

    def argument(self, node: Node, what: str) -> str:
        """Read the name of a query argument, into lower case."""
        text = self.text(node, what)
        if text is not None and not _ARGUMENT.fullmatch(text):
            self.report(node.place, f"{what} cannot be {shown(text)}: letters, digits, . _ -")
            return ""
        return (text or "").lower()

    def names(self, node: Node, what: str) -> tuple[str, ...]:
        """Read a list of names of channels."""
        names: list[str] = []
        for item in self.listing(node, what, MAX_NAMES):
            name = self.text(item, f"a channel of {what}")
            try:
                check_channel(name or "x", MAX_NAME_BYTES)
            except BadChannel as exc:
                self.report(item.place, str(exc))
            else:
                names.append(name or "x")
        if isinstance(node, Listing) and not node.items:
            self.report(node.place, f"{what} is empty")
        return tuple(dict.fromkeys(names))

    def patterns(self, node: Node, what: str) -> tuple[Pattern, ...]:
        """Read a list of patterns, as entries of `channels` have them."""
        patterns: list[Pattern] = []
        for item in self.listing(node, what, MAX_NAMES):
            text = self.text(item, f"a pattern of {what}")
            if text is None:
                continue
            try:
                pattern = Pattern(text)
                check_channel(VARIABLE.sub("x", text), MAX_NAME_BYTES)
            except (BadPattern, BadChannel) as exc:
                self.report(item.place, str(exc))
            else:
                patterns.append(pattern)
        if isinstance(node, Listing) and not node.items:
            self.report(node.place, f"{what} is empty; nothing would be served")
        return tuple(patterns)
