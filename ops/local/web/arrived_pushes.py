"""Keep the pushes that have arrived on the local phone, and notify open pages of new ones."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping
from typing import Any, TypeAlias

Push: TypeAlias = Mapping[str, Any]
"""One accepted message: its parameters as received but without the token, ``request``, and ``received_at`` in seconds
since the epoch."""

KEPT = 10_000
"""The maximum number of messages kept. The oldest are dropped first, so that a load test can't fill the memory."""
SHOWN = 100
"""The number of messages that a phone page gets when it connects."""


class Inbox:
    """The accepted messages, oldest first. Belongs to one event loop."""

    def __init__(self) -> None:
        self._pushes: deque[Push] = deque(maxlen=KEPT)
        self._watchers: set[asyncio.Event] = set()
        self._cleared = 0
        self._added = 0
        self._closed = False

    @property
    def pushes(self) -> list[Push]:
        return list(self._pushes)

    def add(self, push: Push) -> None:
        self._pushes.append(push)
        self._added += 1
        self._wake()

    def clear(self) -> None:
        self._pushes.clear()
        self._cleared += 1
        self._wake()

    def close(self) -> None:
        """End every :meth:`changes`, so that open pages don't delay the server's shutdown."""
        self._closed = True
        self._wake()

    async def changes(self, every: float) -> AsyncIterator[tuple[str, list[Push]] | None]:
        """Yield ``("snapshot", pushes)`` at first and after clearing, ``("push", [push])`` for each new message.

        Yields None after ``every`` seconds without a change, as a heartbeat.
        """
        awake = asyncio.Event()
        self._watchers.add(awake)
        try:
            cleared, added = self._cleared, self._added
            yield "snapshot", self.pushes[-SHOWN:]
            while not self._closed:
                try:
                    await asyncio.wait_for(awake.wait(), every)
                except TimeoutError:
                    yield None
                    continue
                awake.clear()
                new, added = self._added - added, self._added
                if cleared != self._cleared:
                    cleared = self._cleared
                    yield "snapshot", self.pushes[-SHOWN:]
                elif new:
                    for push in self.pushes[-min(new, SHOWN) :]:
                        yield "push", [push]
        finally:
            self._watchers.discard(awake)

    def _wake(self) -> None:
        for watcher in self._watchers:
            watcher.set()
