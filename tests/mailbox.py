"""A mailbox in memory for the inbox page, and a message in each possible state."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from threading import Thread
from typing import Any

from chalicelib.inbox.views import Shell
from chalicelib.logic.delivery_types import Delivery, State
from chalicelib.logic.overall_state import MessageState
from chalicelib.logic.recorded_timeline import trace_of_table
from chalicelib.logic.spam import HoldReason, Verdict
from chalicelib.logic.stored_messages import ListedMessage, Marked, Outcome, OwnerMark, StoredMessage
from ops.errors import OpsError
from ops.inbox.app import create_app
from ops.inbox.mailbox import Mailbox
from ops.inbox.server import inbox_server
from ops.inbox.session_guard import Session
from ops.loopback import listen
from ops.operations import Copy, Erased, Listing, Replayed, Selection, Trace
from tests.fakes import NOW

DAY = 24 * 3600
HELD = Verdict(hold_reason=HoldReason.QUARANTINED)


class InMemoryMailbox:
    """Shows the messages that it was given, delivers replayed ones, and records the requested changes."""

    def __init__(self, *messages: StoredMessage) -> None:
        self.messages = {message.listed.id: message for message in messages}
        self.changes: list[tuple[str, str]] = []
        self.selections: list[Selection] = []
        self.files: dict[tuple[str, int], bytes] = {}
        """The bucket: what was sent, by message and number."""

    def page(self, selection: Selection) -> Listing:
        self.selections.append(selection)
        found = sorted(self._selected(selection), key=lambda one: one.received_at, reverse=True)
        start = int(selection.cursor or 0)
        end = start + selection.limit
        return Listing(tuple(found[start:end]), str(end) if end < len(found) else "")

    def _selected(self, selection: Selection) -> Iterator[ListedMessage]:
        for message in self.messages.values():
            one = message.listed
            fits = selection.site in (None, one.site) and selection.state in (None, one.state)
            if fits and selection.since <= one.received_at < selection.until:
                yield one

    def fields_of(self, ids: Sequence[str]) -> dict[str, Mapping[str, str]]:
        return {one: self.messages[one].fields for one in ids if one in self.messages}

    def trace(self, message_id: str, *, logs: bool = True) -> Trace:
        return trace_of_table(message_id, self.messages.get(message_id))

    def file(self, message: StoredMessage, number: int) -> bytes | None:
        return self.files.get((message.listed.id, number))

    def replay(self, message_id: str) -> Replayed:
        self.changes.append(("replay", message_id))
        return self._deliver(message_id)

    def release(self, message_id: str) -> Replayed:
        self.changes.append(("release", message_id))
        return self._deliver(message_id)

    def mark(self, message_id: str, mark: OwnerMark) -> None:
        self.changes.append((str(mark), message_id))
        change: dict[str, Any] = {"answered_at": NOW if mark is OwnerMark.ANSWERED else 0}
        if mark is OwnerMark.SPAM:
            change = {"state": MessageState.QUARANTINED, "verdict": HELD}
        message = self.messages[message_id]
        marks = (*message.marks, Marked(mark, NOW))
        self.messages[message_id] = replace(message, listed=replace(message.listed, **change), marks=marks)

    def erase_all(self, ids: Sequence[str]) -> Sequence[Erased]:
        self.changes += [("erase", message_id) for message_id in ids]
        copies = (Copy("backups of the table", None), Copy("archive daily of the bus", None))
        return [Erased(message_id, 0, copies) for message_id in ids if self.messages.pop(message_id, None)]

    def _deliver(self, message_id: str) -> Replayed:
        if message_id not in self.messages:
            raise OpsError(f"there is no message {message_id}")
        message = self.messages[message_id]
        before = message.listed.channels
        rung = tuple(name for name, each in before.items() if each.state is not State.DELIVERED)
        after = {name: Delivery(State.DELIVERED, each.attempts + 1, since=NOW) for name, each in before.items()}
        listed = replace(message.listed, channels={**before, **{name: after[name] for name in rung}}, verdict=Verdict())
        self.messages[message_id] = replace(message, listed=replace(listed, state=MessageState.DELIVERED))
        return Replayed(message_id, rung, {name: "delivered" for name in before if name not in rung}, True)


class FailingMailbox(InMemoryMailbox):
    """Raises its error on every page, trace and replay until ``error`` is None."""

    def __init__(self, error: Exception | None, *messages: StoredMessage) -> None:
        super().__init__(*messages)
        self.error = error

    def page(self, selection: Selection) -> Listing:
        self._fail()
        return super().page(selection)

    def trace(self, message_id: str, *, logs: bool = True) -> Trace:
        self._fail()
        return super().trace(message_id, logs=logs)

    def replay(self, message_id: str) -> Replayed:
        self._fail()
        return super().replay(message_id)

    def _fail(self) -> None:
        if self.error is not None:
            raise self.error


def stored(
    message_id: str,
    state: MessageState,
    channels: dict[str, Delivery],
    *history: Outcome,
    ago: int = 0,
    site: str = "default",
    verdict: Verdict = Verdict(),  # noqa: B008 - it can't be changed
    due: bool = False,
    **fields: str,
) -> StoredMessage:
    """Return a message that was received ``ago`` seconds before :data:`~tests.fakes.NOW`."""
    at = NOW - ago
    listed = ListedMessage(message_id, site, at, state, channels, verdict)
    return StoredMessage(listed, fields, at + 1, at + 365 * DAY, NOW + 300 if due else 0, history)


def one_of_each() -> list[StoredMessage]:
    """Return one message in each state."""
    delivered = Delivery(State.DELIVERED, 1, reference="647d2300-702c-4b38-8b2f-d56326ae460b", since=NOW - 2998)

    def ended(channel: str, state: State, attempt: int, ago: int, error: str = "", reference: str = "") -> Outcome:
        return Outcome(channel, state, attempt, NOW - ago, error, reference)

    unsure = Delivery(State.UNCERTAIN, 1, next_attempt_at=NOW, error="ChannelUncertainError", since=NOW - 14_000)
    waits = Delivery(State.WAITING, 4, next_attempt_at=NOW + 300, error="ChannelUnavailableError", since=NOW - 300)
    pending = {"pushover": Delivery(), "email": Delivery()}
    return [
        stored("stored-1", MessageState.STORED, pending, due=True, name="Noor Haddad", message="Open on Monday?"),
        stored(
            "waiting-1",
            MessageState.WAITING,
            {"pushover": delivered, "email": waits},
            ended("pushover", State.DELIVERED, 1, 2998, reference=delivered.reference),
            ended("email", State.WAITING, 1, 2997, "ChannelUnavailableError"),
            ended("email", State.WAITING, 2, 2935, "ChannelUnavailableError"),
            ended("email", State.WAITING, 3, 2812, "ChannelUnavailableError"),
            ended("email", State.WAITING, 4, 300, "ChannelUnavailableError"),
            ago=3000,
            due=True,
            name="Ines Carvalho",
            email="ines@example.com",
            subject="A rocking chair",
            message="Hello,\n\nthe cane of my grandmother's rocking chair has torn on the left side.\n"
            "Could you have a look at it next week? I can bring it on any afternoon.\n\nInes",
            Phone="+351 21 000 0000",
        ),
        stored(
            "delivered-1",
            MessageState.DELIVERED,
            {"pushover": delivered},
            ended("pushover", State.DELIVERED, 1, 7198, reference="1f3a"),
            ago=7200,
            name="Jonas Weber",
            message="Thank you, the chair is like new!",
        ),
        stored(
            "quarantined-1",
            MessageState.QUARANTINED,
            pending,
            ago=11_000,
            verdict=Verdict(("honeypot", "links"), 15, HoldReason.QUARANTINED),
            name="Best Rates",
            message="Visit https://casino.example and https://loans.example today",
        ),
        stored(
            "uncertain-1",
            MessageState.UNCERTAIN,
            {"team": unsure},
            ended("team", State.UNCERTAIN, 1, 14_000, "ChannelUncertainError"),
            ago=14_010,
            name="Li Wei",
            message="Do you also repair tables?",
        ),
        stored(
            "undeliverable-1",
            MessageState.UNDELIVERABLE,
            {
                "pushover": replace(delivered, since=NOW - DAY + 2),
                "email": Delivery(State.REJECTED, 1, error="ChannelRejectedError", since=NOW - DAY + 2),
            },
            ended("pushover", State.DELIVERED, 1, DAY - 2, reference=delivered.reference),
            ended("email", State.REJECTED, 1, DAY - 2, "ChannelRejectedError"),
            ago=DAY,
            name="Amélie Laurent",
            subject="Six chairs",
            message="Six chairs of a café, all of them wobbly. What would that cost?",
        ),
        stored(
            "duplicate-1",
            MessageState.DUPLICATE,
            {"pushover": Delivery()},
            ago=2 * DAY,
            verdict=Verdict(hold_reason=HoldReason.DUPLICATE, duplicate_of="delivered-1"),
            email="jonas@example.com",
            message="Thank you, the chair is like new!",
        ),
    ]


SHELL = Shell("local", "the local stack", {"default": ("pushover", "email", "team"), "shop": ("pushover",)})


@contextmanager
def running(mailbox: Mailbox, shell: Shell = SHELL) -> Iterator[tuple[str, Session]]:
    """Run the inbox on a free port. Yield its address and its session."""
    listener = listen(0)
    port = listener.getsockname()[1]
    session = Session(port)
    server = inbox_server(create_app(shell, session, lambda: mailbox, lambda: NOW))
    thread = Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        yield f"http://127.0.0.1:{port}", session
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()


def many(number: int) -> Iterable[StoredMessage]:
    """Return delivered messages, one minute apart."""
    delivered = {"pushover": Delivery(State.DELIVERED, 1)}
    for each in range(number):
        text = f"Message number {each}"
        yield stored(f"many-{each}", MessageState.DELIVERED, delivered, ago=60 * each, message=text)
