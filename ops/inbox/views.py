"""The pages. Each is a function of what it shows, and answers with an element."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from chalicelib.logic.archive import ListedMessage, MessageState, StoredMessage
from chalicelib.logic.delivery_types import State
from ops.inbox import timeline, words
from ops.inbox.filters import Filter
from ops.inbox.glyphs import icon
from ops.inbox.guard import CSRF
from ops.inbox.tags import Content, into, tag
from ops.inbox.words import Trouble
from ops.operations import Listing, Trace

_EXCERPT = 160
"""Characters of a message that a list shows."""
_OPEN = (State.PENDING, State.WAITING, State.UNCERTAIN, State.REJECTED, State.EXPIRED)
"""Channels that a replay tries."""


@dataclass(frozen=True, slots=True)
class Shell:
    """What is the same on every page."""

    stage: str
    where: str
    """The region, or that it is this machine."""
    channels: Mapping[str, Sequence[str]]
    """Each site of ``herald.toml``, with the channels that serve it."""

    @property
    def sites(self) -> Sequence[str]:
        return tuple(self.channels)

    def page(self, title: str, *main: Content, nav: Element | None = None, refresh: bool = False) -> Element:
        """A whole document around ``main``."""
        head = tag(
            "head",
            tag("meta", charset="utf-8"),
            tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
            tag("meta", name="color-scheme", content="light dark"),
            # At once: the address with the token stays in no history.
            tag("meta", http_equiv="refresh", content="0; url=/") if refresh else None,
            tag("title", f"{title} · Herald inbox"),
            tag("link", rel="icon", href="/icon.svg", type="image/svg+xml"),
            tag("link", rel="stylesheet", href="/inbox.css"),
        )
        brand = tag("a", tag("img", src="/icon.svg", alt="", width=28, height=28), "Herald inbox", href="/")
        top = tag(
            "header",
            tag("p", brand, class_="brand"),
            tag("p", "Stage ", tag("strong", self.stage), f" · {self.where}", class_="where"),
            class_="top",
        )
        body = tag(
            "body",
            tag("a", "Skip to the content", class_="skip", href="#main"),
            top,
            tag(
                "div", nav, tag("main", *main, id="main", tabindex=-1), class_="frame" if nav is not None else "single"
            ),
        )
        return tag("html", head, body, lang="en")


# The list.


def mailbox(shell: Shell, shown: Filter, listing: Listing, whole: Mapping[str, StoredMessage], now: int) -> Element:
    """A page of messages."""
    title = str(shown.state).capitalize() if shown.state else "All messages"
    lead = words.MESSAGE_STATES[shown.state] if shown.state else "Newest first, with what became of each."
    rows = [_row(message, whole.get(message.id), shell, shown, now) for message in listing.messages]
    return shell.page(
        title,
        tag("h1", title),
        tag("p", lead, class_="lead"),
        _form(shell, shown),
        tag("ol", *rows, class_="rows") if rows else _nothing(shown, bool(listing.cursor)),
        _paging(shown, listing),
        nav=_folders(shown),
    )


def _folders(shown: Filter) -> Element:
    def entry(state: MessageState | None, label: str) -> Element:
        link = tag(
            "a",
            icon(str(state) if state else "all"),
            label,
            href=f"/{shown.having(state).query()}",
            aria_current="page" if shown.state is state else None,
        )
        return tag("li", link)

    states = [entry(state, str(state).capitalize()) for state in words.MESSAGE_STATES]
    return tag("nav", tag("ul", entry(None, "All messages"), *states), class_="folders", aria_label="States")


def _form(shell: Shell, shown: Filter) -> Element:
    names = [("", "All sites"), *((name, name) for name in shell.sites)]
    sites = [tag("option", label, value=name, selected=name == (shown.site or "")) for name, label in names]
    several = len(shell.sites) > 1
    return tag(
        "form",
        tag("input", type="hidden", name="state", value=str(shown.state)) if shown.state else None,
        _field("site", "Site", tag("select", *sites, id="site", name="site")) if several else None,
        _field("since", "From", _day_input("since", shown.since)),
        _field("until", "To", _day_input("until", shown.until)),
        tag("button", "Show", class_="quiet"),
        tag("a", "Show all days" + (" and sites" if several else ""), href=f"/{Filter(state=shown.state).query()}")
        if shown.is_narrowed
        else None,
        class_="filters",
        method="get",
        action="/",
        role="search",
        aria_label="Which messages",
    )


def _field(name: str, label: str, control: Element) -> Element:
    return tag("div", tag("label", label, for_=name), control, class_="field")


def _day_input(name: str, day: object) -> Element:
    return tag(
        "input", type="date", id=name, name=name, value=str(day) if day else "", min="1971-01-01", max="9000-01-01"
    )


def _row(message: ListedMessage, whole: StoredMessage | None, shell: Shell, shown: Filter, now: int) -> Element:
    fields = whole.fields if whole else {}
    link = tag("a", _from(fields), class_="from", dir="auto", href=_at(message.id, shown))
    subject = _one_line(fields.get("subject", ""))
    text = _one_line(fields.get("message", "") or " · ".join(fields.values()))
    signs = f"{words.counted(len(message.verdict.signals), 'sign')} of spam" if message.verdict.signals else ""
    facts = [message.site if len(shell.sites) > 1 else "", signs, _unwell(message)]
    excerpt = tag("p", tag("strong", subject, " ") if subject else None, text, class_="excerpt", dir="auto")
    return tag(
        "li",
        link,
        excerpt,
        tag("p", _badge(message.state), class_="state"),
        tag("p", " · ".join(fact for fact in facts if fact), class_="facts"),
        _time(message.received_at, words.short(message.received_at, now)),
        class_="row",
    )


def _unwell(message: ListedMessage) -> str:
    """Which channels did not deliver, where some have."""
    if message.verdict.held:
        return ""
    told = [f"{name} {each.state}" for name, each in message.channels.items() if each.state is not State.DELIVERED]
    return ", ".join(told)


def _nothing(shown: Filter, more: bool) -> Element:
    if more:
        title, text = "None among these", "The newest ones hold none of this kind. Look among older ones below."
    elif shown.is_narrowed or shown.cursor:
        title, text = "Nothing here", "No message fits what is asked for above."
    elif shown.state is None:
        title, text = (
            "No messages yet",
            "What visitors send appears here. Try it with your own form, then load this page again.",
        )
    elif shown.state is MessageState.QUARANTINED:
        title, text = "The quarantine is empty", "Nothing looked like spam."
    elif shown.state in (MessageState.UNDELIVERABLE, MessageState.UNCERTAIN):
        title, text = "All is well", f"No message is {shown.state}."
    else:
        title, text = "Nothing here", f"No message is {shown.state} at the moment."
    return tag("div", icon("all"), tag("h2", title), tag("p", text), class_="empty")


def _paging(shown: Filter, listing: Listing) -> Element | None:
    newest = (
        tag("a", "Newest", class_="button quiet", href=f"/{shown.going_on_from('').query()}") if shown.cursor else None
    )
    older = (
        tag("a", "Older", class_="button quiet", rel="next", href=f"/{shown.going_on_from(listing.cursor).query()}")
        if listing.cursor
        else None
    )
    return (
        tag("nav", newest, older, class_="paging", aria_label="Pages")
        if newest is not None or older is not None
        else None
    )


# One message.


def message(shell: Shell, trace: Trace, back: Filter, csrf: str, now: int, *, logs: bool, notice: str = "") -> Element:
    """A message with all that is known of it; ``trace.message`` is there."""
    stored = trace.message
    assert stored is not None  # noqa: S101 - its caller answers 404 without one
    listed = stored.listed
    head = tag(
        "div",
        tag("p", tag("a", "← Back to the list", href=f"/{back.query()}"), class_="back"),
        tag("h1", _from(stored.fields), dir="auto"),
        tag(
            "p",
            _badge(listed.state),
            tag("span", _time(listed.received_at, words.moment(listed.received_at))),
            tag("span", f"site {listed.site}"),
            class_="meta",
        ),
        class_="head",
    )
    return shell.page(
        f"Message {listed.id[:8]}",
        _notice(notice),
        head,
        tag(
            "div",
            tag("div", _fields(stored), _record(stored), class_="left"),
            tag("div", _doing(shell, stored, back, csrf), _signals(stored), _channels(stored), class_="right"),
            class_="columns",
        ),
        _way(trace, back, logs=logs),
    )


def _fields(stored: StoredMessage) -> Element:
    rows = tag("dl", class_="fields")
    for name, text in stored.fields.items():
        into(rows, tag("div", tag("dt", name, dir="auto"), tag("dd", text, dir="auto")))
    title = tag("h2", "What was sent", id="sent")
    return tag(
        "section",
        title,
        rows if stored.fields else tag("p", "No field was filled."),
        class_="card",
        aria_labelledby="sent",
    )


def _record(stored: StoredMessage) -> Element:
    facts: list[tuple[str, Content]] = [
        ("Id", tag("code", stored.listed.id)),
        ("Stored", _time(stored.stored_at, words.moment(stored.stored_at))),
        ("Kept until", _time(stored.expires_at, words.moment(stored.expires_at))),
    ]
    if stored.due_at:
        facts.append(("Looked at again", _time(stored.due_at, words.moment(stored.due_at))))
    if stored.listed.verdict.duplicate_of:
        other = stored.listed.verdict.duplicate_of
        facts.append(("Same content as", tag("a", tag("code", other), href=_at(other, Filter()))))
    rows = tag("dl", class_="facts")
    for name, value in facts:
        into(rows, tag("div", tag("dt", name), tag("dd", value)))
    return tag("section", tag("h2", "Its record", class_="hidden", id="record"), rows, aria_labelledby="record")


def _doing(shell: Shell, stored: StoredMessage, back: Filter, csrf: str) -> Element:
    """What state it is in, and what its owner can do about it."""
    listed = stored.listed
    serving = shell.channels.get(listed.site, ())
    names = [name for name, each in listed.channels.items() if each.state in _OPEN and name in serving]
    said, button = [], None
    if not names:
        said.append("Nothing is left to do.")
    elif listed.verdict.held:
        said.append(f"Releasing it rings {words.listed(names)}.")
        button = _button("release", "Release", stored, back, csrf)
    else:
        said.append(f"Replaying it rings {words.listed(names)}, and nothing else.")
        button = _button("replay", "Replay", stored, back, csrf)
        if unsure := [name for name in names if listed.channels[name].state is State.UNCERTAIN]:
            said.append(f"Of these {words.listed(unsure)} may have rung already, and would ring a second time.")
    if done := [name for name, each in listed.channels.items() if each.state is State.DELIVERED]:
        said.append(f"What {words.listed(done)} delivered is never sent again.")
    if gone := [name for name, each in listed.channels.items() if each.state in _OPEN and name not in serving]:
        said.append(f"No longer a channel of this site, and so out of reach: {words.listed(gone)}.")
    return tag(
        "section",
        tag("h2", "What to do", id="doing"),
        tag("p", words.MESSAGE_STATES[listed.state]),
        tag("p", " ".join(said), class_="hint"),
        button,
        class_="card",
        aria_labelledby="doing",
    )


def _button(action: str, label: str, stored: StoredMessage, back: Filter, csrf: str) -> Element:
    return tag(
        "form",
        tag("input", type="hidden", name=CSRF, value=csrf),
        tag("button", label),
        method="post",
        action=f"/message/{action}{back.query(id=stored.listed.id)}",
    )


def _signals(stored: StoredMessage) -> Element | None:
    verdict = stored.listed.verdict
    if not verdict.signals:
        return None
    signs = [
        tag("li", tag("strong", sign), f": {words.SIGNALS.get(sign, 'a sign of spam')}") for sign in verdict.signals
    ]
    return tag(
        "section",
        tag("h2", "Signs of spam", id="signs"),
        tag("ul", *signs, class_="signs"),
        tag("p", f"{words.counted(verdict.score, 'point')} together.", class_="hint"),
        class_="card",
        aria_labelledby="signs",
    )


def _channels(stored: StoredMessage) -> Element:
    rows = []
    for name, each in stored.listed.channels.items():
        facts = [
            words.counted(each.attempts, "attempt") if each.attempts else "",
            f"since {words.moment(each.since)}" if each.since else "",
            f"next attempt {words.moment(each.next_attempt_at)}" if each.next_attempt_at and stored.due_at else "",
            each.error,
            f"reference {each.reference}" if each.reference else "",
        ]
        rows.append(
            tag(
                "li",
                tag("p", tag("strong", name), _badge(each.state), class_="channel"),
                tag("p", words.CHANNEL_STATES[each.state].capitalize() + ".", class_="hint"),
                tag("p", " · ".join(fact for fact in facts if fact), class_="hint"),
            )
        )
    return tag(
        "section",
        tag("h2", "Channels", id="channels"),
        tag("ul", *rows, class_="channels")
        if rows
        else tag("p", "None: its site has left herald.toml, or rings nobody."),
        class_="card",
        aria_labelledby="channels",
    )


def _way(trace: Trace, back: Filter, *, logs: bool) -> Element:
    found = timeline.events(trace)
    targets = [tag("li", tag("strong", target.rule), " tells ", tag("code", target.arn)) for target in trace.targets]
    return tag(
        "section",
        tag("h2", "Its way", id="way"),
        tag(
            "div",
            # What scrolls must be reachable by keyboard.
            tag("div", timeline.picture(found), class_="scroll", tabindex=0, role="group", aria_labelledby="way")
            if found
            else None,
            tag("details", tag("summary", "The same as a table"), _table(found), open=True),
            class_="both",
        ),
        tag("h3", "Rules of the bus that its outcome fits") if targets else None,
        tag("ul", *targets) if targets else None,
        *(tag("p", note, class_="hint") for note in trace.notes),
        tag(
            "p",
            tag("a", "Load again", href=_at(trace.id, back)),
            None if logs else tag("a", "Read the logs too", href=f"{_at(trace.id, back, logs='yes')}#way"),
            class_="links",
        ),
        class_="card way",
        aria_labelledby="way",
    )


def _table(found: Sequence[timeline.Event]) -> Element:
    heads = tag("tr", *(tag("th", name, scope="col") for name in ("When", "Channel", "What", "Attempt", "Detail")))
    rows = [
        tag(
            "tr",
            tag("td", _time(int(event.at), words.moment(int(event.at)))),
            tag("td", event.channel or "–"),
            tag("td", event.what),
            tag("td", str(event.attempt or "–")),
            tag("td", event.error or event.reference or "–"),
        )
        for event in found
    ]
    table = tag("table", tag("thead", heads), tag("tbody", *rows))
    return tag("div", table, class_="scroll", tabindex=0, role="group", aria_label="Steps as a table")


# What else there is to say.


def opened(shell: Shell) -> Element:
    """Between the address with the token and the first page.

    A page, not a redirection: a browser that was led here by another page, as a terminal in a browser is, sends a
    strict cookie with what this page starts, and not along a redirection.
    """
    link = tag("a", "Open the inbox", href="/", class_="button")
    return shell.page("Opening", tag("h1", "Opening"), tag("p", link), refresh=True)


def refused(shell: Shell, reason: str) -> Element:
    """Who asks may not, or there is no such thing."""
    return shell.page("Not here", tag("div", tag("h1", "Not here"), tag("p", reason), class_="said"))


def lacking(shell: Shell, title: str, reason: str) -> Element:
    """There is no such thing, for who may ask."""
    links = tag("p", tag("a", "To the messages", href="/", class_="button"), class_="links")
    return shell.page(title, tag("div", tag("h1", title), tag("p", reason), links, class_="said"))


def troubled(shell: Shell, it: Trouble, again: str) -> Element:
    """AWS did not answer."""
    return shell.page(
        it.title,
        tag(
            "div",
            tag("h1", it.title),
            tag("p", it.advice),
            tag("p", "AWS calls it ", tag("code", it.reason), class_="hint") if it.reason else None,
            tag("p", tag("a", "Try again", href=again, class_="button"), class_="links"),
            class_="said",
            role="alert",
        ),
    )


def _at(message_id: str, back: Filter, **more: str) -> str:
    """The address of a message. Its id is not always one of ours, so it is no part of a path."""
    return f"/message{back.query(id=message_id, **more)}"


def _badge(state: MessageState | State) -> Element:
    return tag("span", icon(str(state)), str(state).capitalize(), class_="badge", data_state=str(state))


def _time(at: int, text: str) -> Element:
    return tag("time", text, datetime=words.machine(at), title=words.moment(at))


def _notice(text: str) -> Element | None:
    return tag("p", text, class_="notice", role="status") if text else None


def _from(fields: Mapping[str, str]) -> str:
    """Who wrote, as far as the message says."""
    return _one_line(fields.get("name", "")) or _one_line(fields.get("email", "")) or "Somebody without a name"


def _one_line(text: str) -> str:
    found = " ".join(text[: 4 * _EXCERPT].split())
    return found if len(found) <= _EXCERPT else found[: _EXCERPT - 1] + "…"
