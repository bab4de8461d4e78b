"""A gate between a function and one service of AWS: it passes every call on, and stops at the one that a test names."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from typing import Any

from tests.e2e import between
from tests.e2e.between import Answer, Between
from tests.e2e.harness import PATIENCE

Call = Callable[[str, dict[str, Any]], bool]
"""Whether a call is meant: by its operation, such as ``PutItem``, and its request."""


class Stop(Enum):
    """What becomes of a call that is stopped at."""

    BEFORE = "held, and never done"
    AFTER = "done, and its answer held"
    FAIL = "answered 500 every time, and never done"
    LOSE = "done once without an answer"


FAILURE = Answer(
    500,
    {"Content-Type": "application/x-amz-json-1.0"},
    b'{"__type": "com.amazonaws.dynamodb.v20120810#InternalServerError"}',
)


class Gate:
    """Passes JSON calls (https://smithy.io/2.0/aws/protocols/aws-json-1_0-protocol.html) on to ``aws``."""

    def __init__(self, aws: str) -> None:
        self._between = Between(aws, self._decide)
        self.url = self._between.url
        self._stop: tuple[Call, Stop] | None = None
        self._held, self._go = threading.Event(), threading.Event()

    @contextmanager
    def open(self) -> Iterator[Gate]:
        with self._between:
            yield self

    @contextmanager
    def stopping(self, at: Call, how: Stop) -> Iterator[Gate]:
        """Stop at a call, within the block. Once that has ended, whoever made the call gets no answer any more."""
        self._held, self._go = threading.Event(), threading.Event()
        self._stop = (at, how)
        try:
            yield self
        finally:
            self._stop = None
            self._go.set()

    def wait(self) -> None:
        """Return once the call was stopped at."""
        assert self._held.wait(PATIENCE), "the call was never made"

    def _decide(self, call: between.Call, forward: Callable[[], Answer]) -> Answer | None:
        meant, how = self._stop or (None, None)
        if meant is None or not meant(call.operation, json.loads(call.body)):
            return forward()
        held, go = self._held, self._go
        if how is Stop.FAIL:
            held.set()
            return FAILURE
        if how is not Stop.BEFORE:
            passed = forward()
            if how is Stop.LOSE and held.is_set():
                return passed
        held.set()
        if how is not Stop.LOSE:
            go.wait(PATIENCE)
        return None
