"""The pages: what each shows, as plain values for its template in ``templates/``."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from chalicelib.inbox import timeline_picture, words
from chalicelib.inbox.filters import Filter
from chalicelib.inbox.state_shapes import shape
from chalicelib.inbox.words import Moment, Trouble
from chalicelib.logic.delivery_types import State
from chalicelib.logic.message import Message
from chalicelib.logic.message_files import described
from chalicelib.logic.message_pages import Listing
from chalicelib.logic.notification import from_contact
from chalicelib.logic.overall_state import MessageState
from chalicelib.logic.recorded_timeline import Target, Trace
from chalicelib.logic.reply_link import reply_label, reply_link
from chalicelib.logic.stored_messages import ListedMessage, OwnerMark, StoredMessage
from chalicelib.settings import SITE_OF_PROGRAMS

CSRF = "csrf"
"""The name of the form field with the session's token."""
_EXCERPT = 160
"""Characters of a message that a list shows."""
_OPEN = (State.PENDING, State.WAITING, State.UNCERTAIN, State.REJECTED, State.EXPIRED, State.SUMMARIZED)
"""Channels that a replay tries."""
MARK_NOTICES: dict[str, str] = {
    OwnerMark.SPAM: "Marked as spam: no channel is tried any more.",
    OwnerMark.NOT_SPAM: "Not spam: it is not held any more.",
    OwnerMark.ANSWERED: "Marked as answered.",
    OwnerMark.NOT_ANSWERED: "Not marked as answered any more.",
}
"""What is said after each mark."""
MARKS = {"spam": OwnerMark.SPAM, "answered": OwnerMark.ANSWERED, "unanswered": OwnerMark.NOT_ANSWERED}
"""The addresses of forms that set a mark."""
ERASED = "The message is erased."


@dataclass(frozen=True, slots=True)
class Shell:
    """What is the same on every page."""

    stage: str
    where: str
    """The region, or that it is this machine."""
    channels: Mapping[str, Sequence[str]]
    """Each site of ``herald.toml``, with the channels that serve it."""
    sign_out: str = ""
    """The token of the session that a button ends; empty where the session ends with its server."""

    @property
    def sites(self) -> Sequence[str]:
        return tuple(self.channels)


@dataclass(frozen=True, slots=True)
class Link:
    """Where a link leads, and its words."""

    label: str
    href: str


@dataclass(frozen=True, slots=True)
class Action:
    """A button that changes something."""

    label: str
    href: str
    csrf: str
    csrf_name: str = CSRF
    is_quiet: bool = False
    """Whether it is one of several, and not what the page advises."""


@dataclass(frozen=True, slots=True)
class NoticePage:
    """``notice.html``: one thing to say, and where to go on."""

    title: str
    text: str
    link: Link | None = None
    reason: str = ""
    """AWS's own name for it."""
    is_alert: bool = False
    action: Action | None = None


@dataclass(frozen=True, slots=True)
class Folder:
    """A state of which the list can show the messages."""

    label: str
    icon: str
    href: str
    is_current: bool
    count: str
    """How many there are, such as ``3`` or ``200+``; empty for none."""


@dataclass(frozen=True, slots=True)
class Row:
    """A message in the list."""

    href: str
    sender: str
    subject: str
    text: str
    state: str
    is_answered: bool
    facts: str
    received: Moment


@dataclass(frozen=True, slots=True)
class ListPage:
    """``list.html``: a page of messages. Addresses are empty where they lead nowhere."""

    title: str
    notice: str
    """What an action did just now; empty without one."""
    lead: str
    folders: Sequence[Folder]
    sites: Sequence[str]
    """To choose from; empty where there is one."""
    site: str
    state: str
    since: str
    until: str
    """A day like 2026-11-25, or empty."""
    reset: str
    rows: Sequence[Row]
    empty: NoticePage
    """What to say where there is no row."""
    newest: str
    older: str


@dataclass(frozen=True, slots=True)
class ChannelCard:
    """A channel of a message."""

    name: str
    state: str
    meaning: str
    facts: str


@dataclass(frozen=True, slots=True)
class EventRow:
    """A line of the timeline as a table."""

    at: Moment
    channel: str
    what: str
    attempt: int
    detail: str


@dataclass(frozen=True, slots=True)
class FileRow:
    """A file that came with a message."""

    name: str
    about: str
    preview: str
    """The address of its preview; empty without one."""


@dataclass(frozen=True, slots=True)
class MessagePage:
    """``message.html``: a message with all that is known of it."""

    title: str
    notice: str
    """What an action did just now; empty without one."""
    back: str
    sender: str
    state: str
    received: Moment
    site: str
    fields: Mapping[str, str]
    files: Sequence[FileRow]
    id: str
    times: Sequence[tuple[str, Moment]]
    original: Link | None
    """The message with the same content, where this one was held because of it."""
    meaning: str
    advice: str
    action: Action | None
    reply: Link | None
    """Opens the owner's own mail program."""
    marks: Sequence[Action]
    erase: Action
    is_answered: bool
    signals: Mapping[str, str]
    """Each sign of spam with its meaning."""
    score: str
    channels: Sequence[ChannelCard]
    picture: timeline_picture.Picture | None
    events: Sequence[EventRow]
    targets: Sequence[Target]
    notes: Sequence[str]
    refresh: str
    with_logs: str
    """The address of the same page with logs; empty where it has them."""


# The list


@dataclass(frozen=True, slots=True)
class Counts:
    """How many messages there are in each state, of the newest that were counted."""

    states: Mapping[MessageState, int]
    is_whole: bool
    """Whether there are no older ones."""

    def said(self, state: MessageState | None) -> str:
        """Of a state, or of all; empty for none."""
        number = self.states.get(state, 0) if state else sum(self.states.values())
        return f"{number}{'' if self.is_whole else '+'}" if number else ""


def mailbox(
    shell: Shell,
    shown: Filter,
    listing: Listing,
    fields: Mapping[str, Mapping[str, str]],
    counts: Counts,
    now: int,
    notice: str = "",
) -> str:
    """A page of messages. ``fields`` is what visitors typed in each, by its id."""
    several = len(set(shell.sites) - {SITE_OF_PROGRAMS}) > 1
    states = [(None, "All messages"), *((state, str(state).capitalize()) for state in words.MESSAGE_STATES)]
    page = ListPage(
        title=str(shown.state).capitalize() if shown.state else "All messages",
        notice=notice,
        lead=words.MESSAGE_STATES[shown.state] if shown.state else "Newest first, with what became of each.",
        folders=[
            Folder(
                label, str(state or "all"), f"./{shown.having(state).query()}", shown.state is state, counts.said(state)
            )
            for state, label in states
        ],
        sites=shell.sites,
        site=shown.site or "",
        state=str(shown.state or ""),
        since=str(shown.since or ""),
        until=str(shown.until or ""),
        reset=f"./{Filter(state=shown.state).query()}" if shown.is_narrowed else "",
        rows=[_row(message, fields.get(message.id, {}), several, shown, now) for message in listing.messages],
        empty=_nothing(shown, bool(listing.cursor)),
        newest=f"./{shown.going_on_from('').query()}" if shown.cursor else "",
        older=f"./{shown.going_on_from(listing.cursor).query()}" if listing.cursor else "",
    )
    return _render("list.html", shell, page)


def _row(message: ListedMessage, fields: Mapping[str, str], with_site: bool, shown: Filter, now: int) -> Row:
    signals = message.verdict.signals
    facts = [
        message.site if with_site or message.site == SITE_OF_PROGRAMS else "",
        f"{words.counted(len(signals), 'sign')} of spam" if signals else "",
        "" if message.verdict.hold_reason else _undelivered(message),
    ]
    return Row(
        href=_at(message.id, shown),
        sender=_sender(message.site, fields),
        subject=_one_line(fields.get("subject", "")),
        text=_one_line(fields.get("message", "") or " · ".join(fields.values())),
        state=str(message.state),
        is_answered=bool(message.answered_at),
        facts=_joined(facts),
        received=words.when(message.received_at, now),
    )


def _undelivered(message: ListedMessage) -> str:
    return ", ".join(
        f"{name} {channel.state}" for name, channel in message.channels.items() if channel.state is not State.DELIVERED
    )


def _nothing(shown: Filter, more: bool) -> NoticePage:
    """What to say of a page without a message; ``more`` where older ones were not looked at."""
    if more:
        return NoticePage("None among these", "The newest ones hold none of this kind. Look among older ones below.")
    if shown.is_narrowed or shown.cursor:
        return NoticePage("Nothing here", "No message fits what is asked for above.")
    if shown.state is None:
        text = "What visitors send appears here. Try it with your own form, then load this page again."
        return NoticePage("No messages yet", text)
    if shown.state is MessageState.QUARANTINED:
        return NoticePage("The quarantine is empty", "Nothing looked like spam.")
    if shown.state in (MessageState.UNDELIVERABLE, MessageState.UNCERTAIN):
        return NoticePage("All is well", f"No message is {shown.state}.")
    return NoticePage("Nothing here", f"No message is {shown.state} at the moment.")


# One message


def message(shell: Shell, trace: Trace, back: Filter, csrf: str, now: int, *, logs: bool, notice: str = "") -> str:
    """A message with all that is known of it; ``trace.message`` is there."""
    stored = trace.message
    assert stored is not None  # noqa: S101 - its caller answers 404 without one
    listed, verdict = stored.listed, stored.listed.verdict
    advice, action = _what_to_do(shell, stored, back, csrf)
    events = timeline_picture.events(trace)
    times = (
        ("Answered", listed.answered_at),
        ("Stored", stored.stored_at),
        ("Kept until", stored.expires_at),
        ("Tried again", stored.due_at),
    )
    other = verdict.duplicate_of
    page = MessagePage(
        title=f"Message {listed.id[:8]}",
        notice=notice,
        back=f"./{back.query()}",
        sender=_sender(listed.site, stored.fields),
        state=str(listed.state),
        received=words.when(listed.received_at, now),
        site=listed.site,
        fields=stored.fields,
        files=_files(stored),
        id=listed.id,
        times=[(name, words.when(at, now)) for name, at in times if at],
        original=Link(other, _at(other, Filter())) if other else None,
        meaning=words.MESSAGE_STATES[listed.state],
        advice=advice,
        action=action,
        reply=_reply(stored),
        marks=list(_marks(listed, back, csrf)),
        erase=Action("Erase for good", f"erase{back.query(id=listed.id)}", csrf, is_quiet=True),
        is_answered=bool(listed.answered_at),
        signals={sign: words.SIGNALS.get(sign, "a sign of spam") for sign in verdict.signals},
        score=words.counted(verdict.score, "point"),
        channels=_channels(stored, now),
        picture=timeline_picture.picture(events) if events else None,
        events=[
            EventRow(
                words.when(int(event.at)), event.channel, event.what, event.attempt, event.error or event.reference
            )
            for event in events
        ],
        targets=trace.targets,
        notes=trace.notes,
        refresh=_at(trace.id, back),
        with_logs="" if logs else f"{_at(trace.id, back, logs='yes')}#way",
    )
    return _render("message.html", shell, page)


def _files(stored: StoredMessage) -> Sequence[FileRow]:
    if not stored.files:
        return ()
    from chalicelib.inbox.previews import has_preview

    return [
        FileRow(
            _one_line(file.declared_file.name),
            described(file),
            f"file{Filter().query(id=stored.listed.id, number=str(number))}" if has_preview(file) else "",
        )
        for number, file in enumerate(stored.files, 1)
    ]


def _what_to_do(shell: Shell, stored: StoredMessage, back: Filter, csrf: str) -> tuple[str, Action | None]:
    """Advice for the owner, and the button that follows it."""
    listed = stored.listed
    serving = shell.channels.get(listed.site, ())
    undelivered = [name for name, channel in listed.channels.items() if channel.state in _OPEN]
    names = [name for name in undelivered if name in serving]
    query = back.query(id=listed.id)
    action = None
    if listed.verdict.reason:
        advice = [f"Its sender has to mend it: {listed.verdict.reason}."]
    elif not names:
        advice = ["Nothing is left to do."]
        if listed.verdict.hold_reason and not undelivered:
            advice, action = [], Action("Not spam", f"release{query}", csrf)
    elif listed.verdict.hold_reason:
        advice = [f"Releasing it rings {words.listed(names)}."]
        action = Action("Release", f"release{query}", csrf)
    else:
        advice = [f"Replaying it rings {words.listed(names)}, and nothing else."]
        action = Action("Replay", f"replay{query}", csrf)
        if uncertain := [name for name in names if listed.channels[name].state is State.UNCERTAIN]:
            advice.append(f"Of these {words.listed(uncertain)} may have rung already, and would ring a second time.")
    if delivered := [name for name, channel in listed.channels.items() if channel.state is State.DELIVERED]:
        advice.append(f"What {words.listed(delivered)} delivered is never sent again.")
    if gone := [name for name in undelivered if name not in serving]:
        advice.append(f"No longer a channel of this site, and so out of reach: {words.listed(gone)}.")
    return " ".join(advice), action


def _marks(listed: ListedMessage, back: Filter, csrf: str) -> Iterator[Action]:
    """The buttons by which a person says what the message is."""
    query = back.query(id=listed.id)
    if listed.verdict.reason:
        return
    if listed.answered_at:
        yield Action("Not answered", f"unanswered{query}", csrf, is_quiet=True)
    else:
        yield Action("Mark as answered", f"answered{query}", csrf, is_quiet=True)
    if not listed.verdict.hold_reason:
        yield Action("Mark as spam", f"spam{query}", csrf, is_quiet=True)


def _reply(stored: StoredMessage) -> Link | None:
    listed = stored.listed
    if listed.site == SITE_OF_PROGRAMS:
        return None
    found = from_contact(Message(listed.id, listed.site, listed.received_at, dict(stored.fields)))
    href = reply_link(found)
    return Link(reply_label(found), href) if href else None


def _channels(stored: StoredMessage, now: int) -> list[ChannelCard]:
    cards = []
    for name, channel in stored.listed.channels.items():
        facts = [
            words.counted(channel.attempts, "attempt") if channel.attempts else "",
            words.spoken(channel.since, now) if channel.since else "",
            f"next attempt {words.spoken(channel.next_attempt_at, now)}"
            if channel.next_attempt_at and stored.due_at
            else "",
            channel.error,
            f"reference {channel.reference}" if channel.reference else "",
        ]
        meaning = f"{words.CHANNEL_STATES[channel.state].capitalize()}."
        cards.append(ChannelCard(name, str(channel.state), meaning, _joined(facts)))
    return cards


# Other pages


def opened(shell: Shell) -> str:
    """Between the address with the token and the first page.

    A page, not a redirection: a browser that was led here by another page, as a terminal in a browser is, sends a
    strict cookie with what this page starts, and not along a redirection.
    """
    return _render("opened.html", shell, NoticePage("Opening", ""))


def link(shell: Shell, href: str) -> str:
    """The page of an unused link: previews of links load it, and only a person presses the button."""
    text = "The link in your notification opens it once, on this device."
    return _render("notice.html", shell, NoticePage("Your inbox", text, action=Action("Open the inbox", href, "")))


def spent_link(shell: Shell, reason: str, href: str) -> str:
    """The page of a link that can't be used any more."""
    page = NoticePage("This link is spent", reason, action=Action("Send a fresh link", href, ""))
    return _render("notice.html", shell, page)


def ended(shell: Shell, title: str, text: str) -> str:
    """The page after which there is no session, and so nowhere to go on."""
    return _render("notice.html", replace(shell, sign_out=""), NoticePage(title, text))


def refused(shell: Shell, reason: str) -> str:
    """The page for who has no session, or whose request another page started."""
    return _render("notice.html", shell, NoticePage("Not here", reason))


def lacking(shell: Shell, title: str, reason: str) -> str:
    """The page for an address that doesn't exist, or asks for what can't be."""
    return _render("notice.html", shell, NoticePage(title, reason, Link("To the messages", "./")))


def troubled(shell: Shell, trouble: Trouble, again: str) -> str:
    """The page for an error of AWS; ``again`` is the address to try again."""
    page = NoticePage(trouble.title, trouble.advice, Link("Try again", again), trouble.reason, is_alert=True)
    return _render("notice.html", shell, page)


def _at(message_id: str, back: Filter, **more: str) -> str:
    """The address of a message. Its id is not always one of ours, so it is no part of a path."""
    return f"message{back.query(id=message_id, **more)}"


def _sender(site: str, fields: Mapping[str, str]) -> str:
    """Who wrote, as far as the message says; of a notification its title."""
    if site == SITE_OF_PROGRAMS:
        return _one_line(fields.get("title", "")) or "A program"
    return _one_line(fields.get("name", "")) or _one_line(fields.get("email", "")) or "Somebody without a name"


def _one_line(text: str) -> str:
    line = " ".join(text[: 4 * _EXCERPT].split())
    return line if len(line) <= _EXCERPT else line[: _EXCERPT - 1] + "…"


def _joined(facts: Sequence[str]) -> str:
    return " · ".join(fact for fact in facts if fact)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


_FOLDER = Path(__file__).with_name("templates")
_STYLE = (_FOLDER / "inbox.css").read_text(encoding="utf-8")
_STYLE_HASH = _base64(hashlib.sha256(_STYLE.encode()).digest())
HEADERS = {
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; img-src 'self' data:; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    # Under no-referrer a form's Origin would be "null".
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}
"""Of every answer with a page: nothing runs, nothing but previews is loaded, nothing is framed. The style stands in the
page, so that the first page is one round trip."""
_TEMPLATES = Environment(
    loader=FileSystemLoader(_FOLDER),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.globals["shape"] = shape
_TEMPLATES.globals["style"] = Markup(_STYLE)  # noqa: S704 - a file of ours
_TEMPLATES.globals["icon"] = (
    f"data:image/svg+xml;base64,{base64.b64encode((_FOLDER / 'icon.svg').read_bytes()).decode()}"
)
_TEMPLATES.globals["parts"] = _TEMPLATES.get_template("parts.html").module


def _render(template: str, shell: Shell, page: ListPage | MessagePage | NoticePage) -> str:
    return _TEMPLATES.get_template(template).render(shell=shell, page=page)
