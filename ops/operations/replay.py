"""Replay or release a message for a person, by the rules of docs/delivery.md: never by a channel that delivered it."""

from __future__ import annotations

from dataclasses import dataclass

from chalicelib.errors import RetryError
from chalicelib.logic import replay
from chalicelib.logic.replay import Replayed, ReplayStore
from chalicelib.logic.retry_due import Destined, DueMessage
from chalicelib.logic.stored_messages import ListedMessage, StoredMessage
from chalicelib.settings import SITE_OF_PROGRAMS, Stage
from ops.errors import OpsError
from ops.operations.short_ids import no_message


def again(message: StoredMessage | None, message_id: str, it: ReplayDependencies, *, held: bool) -> Replayed:
    """Mark the message's channels as due, then invoke ``destined``; ``held`` for a release.

    Raises :class:`OpsError` where there is no such message, or where it is (not) held.
    """
    if message is None:
        raise OpsError(no_message(message_id, it.stage))
    if reason := message.listed.verdict.reason:
        raise OpsError(f"message {message.listed.id} was rejected, and nothing of it is stored: {reason}")
    if (message.listed.verdict.hold_reason is not None) is not held:
        raise _wrong_command(message, held)
    message_id, site = message.listed.id, message.listed.site
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
            asked = False  # The channels are marked as due, so the scheduled retry will try them.
    gone = [name for name, why in done.left.items() if why is replay.SkipReason.GONE]
    if not done.channels and (gone or not done.left):
        raise OpsError(_stranded(message.listed, gone, it.stage))
    return Replayed(message_id, done.channels, {name: str(why) for name, why in done.left.items()}, asked)


@dataclass(frozen=True, slots=True)
class ReplayDependencies:
    """What a replay needs."""

    stage: Stage
    revivals: ReplayStore
    destined: Destined
    now: int


def _stranded(message: ListedMessage, channels: list[str], stage: Stage) -> str:
    """Why none of a message's channels can be tried, and what to do."""
    names = ", ".join(channels)
    if message.site not in stage.site_names:
        why = f"its site {message.site} has left herald.toml"
        mend = f"Put [sites.{message.site}] back" + (f" with channels = [{names}]" if names else "")
    elif names:
        why = f"{names} does not serve its site {message.site} any more"
        mend = f"Name {names} in channels of {table_of(message.site)} again"
    else:
        why, mend = "it was stored for no channel", f"Read it with: messages show {message.id}"
    return f"message {message.id} can't be tried: {why}. {mend}; or erase it: messages erase {message.id}"


def table_of(site: str) -> str:
    """The table of ``herald.toml`` that lists a site's channels."""
    return f"[{site}]" if site == SITE_OF_PROGRAMS else f"[sites.{site}]"


def _wrong_command(message: StoredMessage, held: bool) -> OpsError:
    listed = message.listed
    if held:
        return OpsError(f"message {listed.id} is {listed.state} and not held; to try it again: replay {listed.id}")
    return OpsError(
        f"message {listed.id} is held ({listed.verdict.hold_reason}); to deliver it: quarantine release {listed.id}"
    )
