"""Nodes: which process of which machine one of them is."""

from __future__ import annotations

from typing import NamedTuple


class NodeId(NamedTuple):
    """
    Which node.

    Attributes:
        node: Its name, made anew at each start.
        host: Name of its machine, or container.
        pid: Its process there.
    """

    node: str
    host: str
    pid: int

    def __str__(self) -> str:
        return f"{self.node} (process {self.pid} on {self.host})"
