"""The verbs of the command line."""

from __future__ import annotations

VERBS = {
    "serve": "start the broker",
    "publish": "publish a message",
    "tail": "follow channels",
    "check": "check channel rules",
    "token": "make a token",
    "revoke": "revoke tokens",
    "explain": "say what a token may do, and why",
    "migrate": "carry a configuration of nginx over",
}
"""Every verb and what it does; each is the module of its name in this package."""


class Refused(Exception):
    """The command line or the settings cannot be used; the text says why."""
