"""A person's replay and release, by the rules of docs/delivery.md: never what was delivered or is being sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from chalicelib.errors import RetryError
from chalicelib.logic import replay
from chalicelib.logic.archive import StoredMessage
from chalicelib.logic.replay import ReplayStore
from chalicelib.logic.retry_due import Destined, DueMessage
from chalicelib.settings import Stage
from ops.errors import OpsError
from ops.operations.short_ids import no_message


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay or a release did."""

    id: str
    channels: tuple[str, ...]
    """Those that will be tried."""
    left: Mapping[str, str]
    """Those that were left alone, and why: ``delivered``, ``sending`` (somebody is at it now) or ``gone`` (the channel
    doesn't serve the site any more)."""
    asked: bool
    """Whether ``destined`` took the run. Where it didn't, though there is something to do, the scheduled retry comes
    within 15 minutes."""

    def as_json(self) -> dict[str, object]:
        return {"id": self.id, "channels": list(self.channels), "left": dict(self.left), "asked": self.asked}


def again(message: StoredMessage | None, message_id: str, it: ReplayDependencies, *, held: bool) -> Replayed:
    """Change the record, then ask for a run; ``held`` for a release."""
    if message is None:
        raise OpsError(no_message(message_id, it.stage))
    if (message.listed.verdict.held is not None) is not held:
        raise _otherwise(message, held)
    site = message.listed.site
    try:
        done = replay.apply_replay(message_id, held, it.stage.channels_serving(site), it.revivals, it.now)
    except LookupError:
        raise OpsError(f"message {message_id} was erased, released or held a moment ago; look again") from None
    asked = False
    if done.channels:
        try:
            it.destined.run(DueMessage(message_id, site))
            asked = True
        except RetryError:
            # The record says when it is due; the scheduled retry needs nobody to ask.
            asked = False
    return Replayed(message_id, done.channels, {name: str(why) for name, why in done.left.items()}, asked)


@dataclass(frozen=True, slots=True)
class ReplayDependencies:
    """What a replay works with."""

    stage: Stage
    revivals: ReplayStore
    destined: Destined
    now: int


def _otherwise(message: StoredMessage, held: bool) -> OpsError:
    listed = message.listed
    if held:
        return OpsError(f"message {listed.id} is {listed.state} and not held; to try it again: replay {listed.id}")
    return OpsError(
        f"message {listed.id} is held ({listed.verdict.held}); to deliver it: quarantine release {listed.id}"
    )
