"""Send a test message through the whole deployed path, and follow it: API, topic, `destined`, channels, bus."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chalicelib.logic.overall_state import MessageState
from chalicelib.logic.recorded_timeline import Step, StepKind
from chalicelib.settings import Site
from ops.errors import OpsError
from ops.operations.trace import ENDED

if TYPE_CHECKING:
    from ops.operations.stage_operations import Operations

_PAUSE = 0.5
"""Seconds between two reads of the table."""
_LONGER = 1
"""Seconds between two reads of the logs, of which CloudWatch allows fewer."""
_ANSWER = 35
"""Seconds to wait for the API. API Gateway itself waits 29."""
_SAMPLES = {"email": "herald@example.com", "source": "https://www.example.com/"}


@dataclass(frozen=True, slots=True)
class Sent:
    """A step, and the seconds after sending at which it was seen."""

    seconds: float
    step: Step

    def as_json(self) -> dict[str, object]:
        return {"seconds": round(self.seconds, 3), **self.step.as_json()}


def form(site: Site, text: str) -> dict[str, str]:
    """The fields to send: the message, and a text in each field that the site requires."""
    required = {name: _SAMPLES.get(name, "Herald") for name in site.required if name != "message"}
    return {"name": "Herald", **required, "message": text}


def post(address: str, site: Site, fields: Mapping[str, str]) -> str:
    """Send a form as a script of the site's page does; returns the message's id.

    Raises :class:`OpsError` where it is not accepted.
    """
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    if site.origins:
        headers["Origin"] = site.origins[0]
    request = urllib.request.Request(address, json.dumps(fields).encode(), headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=_ANSWER) as answer:
            message_id: str = json.loads(answer.read())["id"]
            return message_id
    except urllib.error.HTTPError as error:
        raise OpsError(f"the API refused the message: {error.code} {_problem(error)}") from None
    except (OSError, ValueError, KeyError) as error:
        raise OpsError(f"the API did not answer as expected: {error}") from None


def _problem(error: urllib.error.HTTPError) -> str:
    """The title and detail of a problem document (RFC 9457) in one line."""
    try:
        found = json.loads(error.read(100_000))
        return " ".join(str(found[name]) for name in ("title", "detail") if found.get(name))
    except (OSError, ValueError, AttributeError):
        return str(error.reason)


def follow(
    operations: Operations,
    message_id: str,
    patience: float,
    on_step: Callable[[Sent], None],
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> MessageState | None:
    """Call ``on_step`` with each step of a message, until its outcome is logged or ``patience`` seconds are over.

    Returns the message's final state; None where the time was over before.
    """
    begin = clock()
    seen: set[tuple[object, ...]] = set()
    while True:
        message = operations.get(message_id)
        settled = message is not None and message.listed.state in ENDED
        trace = operations.trace(message_id, logs=settled)
        for step in _new(trace.steps, seen):
            on_step(Sent(clock() - begin, step))
        if settled and any(step.kind is StepKind.TOLD for step in trace.steps):
            return trace.state
        if clock() - begin >= patience:
            return None
        pause(_LONGER if settled else _PAUSE)


def _new(steps: tuple[Step, ...], seen: set[tuple[object, ...]]) -> Iterator[Step]:
    for step in steps:
        which = (step.kind, step.source, step.channel, step.state, step.attempt, step.at)
        if which not in seen:
            seen.add(which)
            yield step
