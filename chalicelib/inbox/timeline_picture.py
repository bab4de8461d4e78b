"""A message's steps as a picture: one lane for each channel, from top to bottom, longer gaps for longer pauses.

The picture holds no word that the table below it doesn't have too, and nothing that a visitor typed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from chalicelib.inbox import words
from chalicelib.logic.delivery_types import State
from chalicelib.logic.recorded_timeline import Step, StepKind, Trace
from chalicelib.logic.stored_messages import OwnerMark, StoredMessage

_LANE = 26
"""Between two lanes, in pixels of a page whose text is 16 pixels high, as all lengths here."""
_ROW = 44
_LINE = 17
_TOP = 22
_LETTER = 7.4
"""The width of a letter of 14 pixels, about: more room than it needs does no harm."""

_MARK_SHAPES = {
    OwnerMark.SPAM: "quarantined",
    OwnerMark.NOT_SPAM: "stored",
    OwnerMark.ANSWERED: "answered",
    OwnerMark.NOT_ANSWERED: "stored",
}


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the timeline."""

    at: float
    glyph: str
    """The name of its shape."""
    what: str
    channel: str = ""
    """The lane; empty for the message as a whole."""
    attempt: int = 0
    error: str = ""
    reference: str = ""
    is_ahead: bool = False
    """Whether it has not happened yet."""


@dataclass(frozen=True, slots=True)
class PictureStep:
    """An event in the picture: a shape, and lines of text beside it."""

    shape: str
    x: int
    y: int
    what: str
    lines: Sequence[str]


@dataclass(frozen=True, slots=True)
class Lane:
    """A line that joins the shapes of a channel."""

    path: str
    is_ahead: bool = False
    """Whether it leads to what has not happened yet."""


@dataclass(frozen=True, slots=True)
class Picture:
    """The timeline as SVG draws it; lengths in pixels."""

    width: int
    height: int
    text_at: int
    """Where all text begins, from the left."""
    description: str
    lanes: Sequence[Lane]
    steps: Sequence[PictureStep]


def events(trace: Trace) -> list[Event]:
    """What happened, oldest first; then what happens now, and what is due."""
    found = [_event(step) for step in trace.steps]
    return found + sorted(_open(trace.message, found), key=lambda event: event.at) if trace.message else found


def picture(found: Sequence[Event]) -> Picture:
    """The timeline as SVG draws it; of one event at least."""
    channels = list(dict.fromkeys(event.channel for event in found if event.channel))
    lanes = {"": 12, **{name: 12 + _LANE * number for number, name in enumerate(channels, start=1)}}
    text_at = 12 + _LANE * len(channels) + 20
    steps: list[PictureStep] = []
    y, before = _TOP, found[0]
    for event in found:
        if steps:
            y += _ROW + _pause(event.at - before.at) + (_LINE if before.error else 0)
        lines = [_line(event, words.lasting(round(event.at - before.at)) if steps else ""), event.error]
        what = f"{event.channel}: {event.what}" if event.channel else event.what
        steps.append(PictureStep(event.glyph, lanes[event.channel], y, what, [line for line in lines if line]))
        before = event
    longest = max(len(line) for step in steps for line in (step.what, *step.lines))
    return Picture(
        width=math.ceil(text_at + _LETTER * longest + 8),
        height=y + 30 + _LINE,
        text_at=text_at,
        description=_described(found),
        lanes=list(_lanes(found, [step.y for step in steps], lanes)),
        steps=steps,
    )


def _event(step: Step) -> Event:
    action, state = str(step.details.get("action", "")), step.state
    match step.kind:
        case StepKind.ACCEPTED:
            shape, what = "accepted", "Accepted"
        case StepKind.STORED:
            held = str(step.details.get("held", ""))
            shape = held or "stored"
            what = {
                "quarantined": "Stored, and held as spam",
                "duplicate": "Stored, and held as a duplicate",
                "rejected": "Rejected, and nothing of it stored",
            }.get(held, "Stored")
        case StepKind.REPLAYED:
            by = step.details.get("by")
            shape, what = "pending", "to be tried again" + (f", by {by}" if by else "")
        case StepKind.MARKED:
            by = step.details.get("by")
            mark = OwnerMark(str(step.details["mark"]))
            shape, what = _MARK_SHAPES[mark], words.MARKS[mark] + (f", by {by}" if by else "")
        case StepKind.SUMMARIZED:
            shape, what = state, "left to a summary: the channel had rung as often as it may"
        case StepKind.ENDED:
            shape, what = "ended", f"A run ended: {action or state}" if action or state else "A run ended"
        case StepKind.TOLD:
            shape, what = "told", f"{step.source} was told"
        case StepKind.LOGGED:
            shape, what = "logged", f"{step.source}: {step.details.get('message', 'logged a line')}"
        case _:
            shape, what = state, state or str(step.kind)
    return Event(step.at, shape, what, step.channel, step.attempt, step.error, step.reference)


def _open(message: StoredMessage, found: Sequence[Event]) -> Iterator[Event]:
    """What is not in the history: what is being sent, a claim that is over, and the next attempt."""
    for name, delivery in message.listed.channels.items():
        last = next((event for event in reversed(found) if event.channel == name), None)
        if delivery.state in (State.SENDING, State.UNCERTAIN) and (last is None or last.attempt != delivery.attempts):
            what = "being sent" if delivery.state is State.SENDING else "uncertain"
            yield Event(delivery.since, str(delivery.state), what, name, delivery.attempts, delivery.error)
        # The scheduled retry looks no more at what its owner must decide.
        if delivery.state in (State.WAITING, State.UNCERTAIN) and delivery.next_attempt_at and message.due_at:
            yield Event(delivery.next_attempt_at, "next", "next attempt", name, is_ahead=True)


def _lanes(found: Sequence[Event], heights: Sequence[int], lanes: Mapping[str, int]) -> Iterator[Lane]:
    trunk = [y for event, y in zip(found, heights, strict=True) if not event.channel]
    begin = trunk[1] if len(trunk) > 1 else heights[0]
    if len(trunk) > 1:
        yield Lane(f"M{lanes['']} {trunk[0]}V{trunk[-1]}")
    for name, x in lanes.items():
        own = [(event, y) for event, y in zip(found, heights, strict=True) if event.channel == name]
        if not name or not own:
            continue
        bend = f"M{lanes['']} {begin}C{lanes['']} {begin + 26} {x} {begin + 10} {x} {begin + 36}"
        past = [y for event, y in own if not event.is_ahead]
        ahead = [y for event, y in own if event.is_ahead]
        if past:
            yield Lane(f"{bend}V{past[-1]}")
        if ahead:
            start = f"M{x} {past[-1]}" if past else bend
            yield Lane(f"{start}V{ahead[-1]}", is_ahead=True)


def _pause(seconds: float) -> int:
    """A second is 4 pixels more, an hour about 40, three days about 60."""
    return round(11 * math.log10(1 + max(0.0, seconds)))


def _line(event: Event, since: str) -> str:
    later = f"{since} later" if since else words.moment(int(event.at))
    attempt = f"attempt {event.attempt}" if event.attempt else ""
    return " · ".join(part for part in (later, attempt) if part)


def _described(found: Sequence[Event]) -> str:
    told = [
        f"{words.moment(int(event.at))}: {f'{event.channel} ' if event.channel else ''}{event.what}" for event in found
    ]
    return f"{words.counted(len(found), 'step')}. {'; '.join(told)}."
