"""Lines of JSON between the process that strikes and those that publish and subscribe."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any
import asyncio
import json
import os
import sys

ANSWER_S = 120.0
"""Longest wait for an answer."""

_LINE_BYTES = 2**26

Verb = Callable[[dict[str, Any]], Awaitable[object]]
"""What a process does on a command; what it returns is the answer."""


async def serve(verbs: Mapping[str, Verb]) -> None:
    """Do what standard input says, line by line, until it ends."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=_LINE_BYTES)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        command = json.loads(line)
        answer = await verbs[command.pop("verb")](command)
        print(json.dumps(answer), flush=True)


class Aide:
    """
    A process of the suite's own, asked one thing at a time.

    Args:
        module: What it runs.
    """

    def __init__(self, module: str) -> None:
        self._module = module
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, **plan: Any) -> None:
        """Start it and hand it its plan."""
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", self._module),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=_LINE_BYTES,
            cwd=Path(__file__).parents[2],
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        await self.ask("plan", **plan)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._running().pid

    async def ask(self, verb: str, **details: Any) -> Any:
        """
        Have it do something; return what it answers.

        Raises:
            ChildProcessError: it ended.
            TimeoutError: no answer came in time.
        """
        process = self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps({"verb": verb, **details}).encode() + b"\n")
        async with asyncio.timeout(ANSWER_S):
            line = await process.stdout.readline()
        if not line:
            raise ChildProcessError(f"{self._module} ended with {await process.wait()}")
        return json.loads(line)

    async def close(self) -> None:
        """End it."""
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.kill()
            await process.wait()

    def _running(self) -> asyncio.subprocess.Process:
        assert self._process is not None, "it was not started"
        return self._process
