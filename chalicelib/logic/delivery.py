"""How one message is delivered to its channels: the state machine of docs/delivery.md, which this module must follow.

Per channel ``pending → sending → delivered | rejected | waiting | uncertain``, ``expired`` for what was tried for too
long, and ``summarized`` for what came when the channel's budget of rings was spent: a ring is one notification that a
channel sends, and each channel may send so many an hour and a day. A run *claims* a channel in the message's record
before it calls the channel's notifier, and records the outcome afterwards. Every later run, by retry, redelivery,
scheduled retry or replay, starts from that record.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from chalicelib.errors import (
    ChannelRejectedError,
    ChannelUnavailableError,
    ChannelUncertainError,
    DeliveryIncompleteError,
    FilesError,
    FunctionError,
    InvalidRequestError,
)
from chalicelib.logic.delivery_types import (
    NEVER,
    Action,
    Delivery,
    DeliveryDependencies,
    DeliveryResult,
    Invocation,
    Notifier,
    Record,
    State,
)
from chalicelib.logic.duplicates import hold_if_duplicate
from chalicelib.logic.message import Message
from chalicelib.logic.notification import Notification, from_contact
from chalicelib.logic.retry_schedule import next_due_at, pause_after
from chalicelib.logic.spam import HoldReason, Verdict
from chalicelib.settings import SITE_OF_PROGRAMS, Channel

if TYPE_CHECKING:
    from chalicelib.logic.message_files import MessageFile

CLAIM_SECONDS = 50
"""Seconds for which a claim is valid, and which a run must have left to make one. Writing the claim takes 7 s at most,
calling the notifier 27 s and writing its outcome 7 s (``composition.py``); Lambda's first retry comes a minute after
the run before it has ended."""


def deliver(
    message: Message, verdict: Verdict, dependencies: DeliveryDependencies, invocation: Invocation
) -> DeliveryResult:
    """Store a message, try every channel that still has to deliver it, and report how that ended.

    ``verdict`` counts for a new message only. A stored message keeps the verdict of its record: a later look could
    differ, as more messages have come.

    Raises
    ------
    DeliveryIncompleteError
        At least one channel still waits, and this event stored the message or this run changed it; Lambda must run
        the event again.
    FilesError, StoreError
        The message's files or its record could not be kept; likewise.
    InvalidRequestError
        A notification's key was used before, for other content.
    """
    # Should this run die before it records an outcome, the scheduled retry finds the message.
    due_at = NEVER if verdict.hold_reason else dependencies.now() + CLAIM_SECONDS
    untried = dict.fromkeys(message.channels or dependencies.channels, Delivery())
    new_record = Record(invocation.event_id, untried, verdict, due_at)
    record = dependencies.store.add(message, new_record) or new_record
    stored_by_this_event = record.stored_by == invocation.event_id
    record = hold_if_duplicate(message, record, dependencies)
    files = _prepare_files(message, record, dependencies)
    if record.verdict.hold_reason:
        action = Action.of_held(record.verdict.hold_reason) if stored_by_this_event else Action.UNCHANGED
        return _result(message, action, record)
    run = _Run(message, record, dependencies, invocation, files)
    run.try_channels()
    # Lambda's retry of the event that stored the message reports again: the run before may have died before it did.
    # A run for any other event reports only where it changed something.
    must_report = stored_by_this_event or run.changed
    action = action_of_run(run.deliveries, dependencies.channels) if must_report else Action.UNCHANGED
    return _result(message, action, replace(record, deliveries=run.deliveries))


def deliver_again(
    message: Message, record: Record, dependencies: DeliveryDependencies, invocation: Invocation
) -> DeliveryResult:
    """Try every channel of a stored message that is due: a run that the scheduled retry or a replay asked for.

    Returns how the message ended: why it is held, if it is; ``waiting`` while a channel waits, which is no error, as
    the scheduled retry comes again. Otherwise, where this run changed nothing, ``unchanged``, except that a loss
    (``uncertain``, ``undeliverable``) is reported again.

    Raises :class:`~chalicelib.errors.FilesError` where the message's files could not be kept.
    """
    record = hold_if_duplicate(message, record, dependencies)
    if record.verdict.hold_reason:
        dependencies.store.set_due_at(message.id, NEVER)
        return _result(message, Action.of_held(record.verdict.hold_reason), record)
    run = _Run(message, record, dependencies, invocation, _prepare_files(message, record, dependencies))
    run.try_channels()
    if not run.changed:
        # It was due and there was nothing to do: another run has it, or its channel has left the configuration.
        dependencies.store.set_due_at(message.id, run.due_at())
    try:
        action = action_of_run(run.deliveries, dependencies.channels)
    except DeliveryIncompleteError:
        action = Action.WAITING
    else:
        # An earlier run may have died before it reported, or a changed setting may have ended the message: report a
        # loss twice rather than never.
        if not run.changed and action not in (Action.UNCERTAIN, Action.UNDELIVERABLE):
            action = Action.UNCHANGED
    return _result(message, action, replace(record, deliveries=run.deliveries))


def _prepare_files(message: Message, record: Record, dependencies: DeliveryDependencies) -> tuple[MessageFile, ...]:
    """Keep the files of a message and have them examined before anything is sent; raises :class:`FilesError`.

    Those of a duplicate are not kept: the message that is delivered instead has the same. A message that is too old to
    wait doesn't wait for its files either.
    """
    if not message.files or record.verdict.hold_reason is HoldReason.DUPLICATE:
        return ()
    if all(delivery.state.is_final for delivery in record.deliveries.values()) and not record.verdict.hold_reason:
        return ()
    # Loaded here alone: few messages have files.
    from chalicelib.logic.message_files import files_with_facts

    file_keeper = dependencies.file_keeper()
    if file_keeper is None:
        return files_with_facts(message, None)  # The stage takes none now: the message tells of them as unexamined.
    try:
        file_keeper.keep(message)
    except FilesError:
        if dependencies.now() < _too_old_at(message, record, dependencies):
            raise
    return () if record.verdict.hold_reason else files_with_facts(message, file_keeper.examine(message))


def _too_old_at(message: Message, record: Record, dependencies: DeliveryDependencies) -> int:
    """When its channels give the message up."""
    return max(message.received_at, record.replayed_at) + dependencies.give_up_seconds


def deleted_result(message_id: str, site: str) -> DeliveryResult:
    """The result of a run for a message that was deleted in the meantime."""
    return DeliveryResult(message_id, site, Action.UNCHANGED, {})


def _result(message: Message, action: Action, record: Record) -> DeliveryResult:
    channels = {name: delivery.state for name, delivery in record.deliveries.items()}
    return DeliveryResult(message.id, message.site, action, channels, record.verdict)


class _Run:
    """One run on one message: the deliveries as it found them and as it changes them."""

    def __init__(
        self,
        message: Message,
        record: Record,
        dependencies: DeliveryDependencies,
        invocation: Invocation,
        files: tuple[MessageFile, ...],
    ) -> None:
        self.deliveries = dict(record.deliveries)
        self.changed = False
        """Whether this run changed anything."""
        self._message = message
        self._files = files
        self._dependencies = dependencies
        self._invocation = invocation
        self._person_rank = record.verdict.person_rank
        """0 to 2: how likely a person wrote the message; a higher rank may spend more of a channel's budget."""
        self._too_old_at = _too_old_at(message, record, dependencies)
        self._lock = threading.Lock()
        self._open_writes = 0
        self._writes_overlapped = False
        """Whether two outcomes were written at the same time, so that the older ``due_at`` may have come last."""

    def try_channels(self) -> None:
        """Try all channels in parallel, so that a slow one delays no other; raise an error once all have ended."""
        if len(self.deliveries) < 2:
            for name in self.deliveries:
                self._try_channel(name)
            return
        # Imported here because most sites have one channel.
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(len(self.deliveries)) as pool:
            for attempt in [pool.submit(self._try_channel, name) for name in self.deliveries]:
                attempt.result()
        if self._writes_overlapped and not self.due_at():
            self._dependencies.store.set_due_at(self._message.id, NEVER)

    def due_at(self) -> int:
        """The record's ``due_at`` for the deliveries as this run knows them."""
        return next_due_at(self.deliveries, self._dependencies.channels, self._too_old_at)

    def _try_channel(self, name: str) -> None:
        recorded, now = self.deliveries[name], self._dependencies.now()
        delivery = self.deliveries[name] = end_overdue_claim(recorded, now)
        # A channel that has left the configuration can't be tried. It keeps its state and is not forgotten.
        channel, notifier = self._dependencies.channels.get(name), self._dependencies.notifiers.get(name)
        # What was never tried is tried once, however long it lay in a queue.
        untried = delivery.state is State.PENDING and channel is not None and notifier is not None
        if now >= self._too_old_at and may_give_up(delivery, channel) and not untried:
            delivery = replace(delivery, state=State.EXPIRED, next_attempt_at=0, since=now)
            self.changed |= self._record(name, recorded, delivery)
            return
        in_time = now + CLAIM_SECONDS <= self._invocation.ends_at
        if channel is not None and notifier is not None and in_time and may_attempt(delivery, channel, now):
            if not self._take_ring(delivery, channel, now):
                summarized = replace(delivery, state=State.SUMMARIZED, since=now)
                self.changed |= self._record(name, recorded, summarized)
                return
            # Asking for the ring may have taken long, and the claim must outlast the call.
            now = self._dependencies.now()
            if now + CLAIM_SECONDS <= self._invocation.ends_at:
                self._send(name, recorded, claim(delivery, self._invocation, now), channel, notifier)
                return
        if delivery is not recorded:
            self.changed |= self._record(name, recorded, delivery)

    def _send(self, name: str, recorded: Delivery, claimed: Delivery, channel: Channel, notifier: Notifier) -> None:
        """Claim the channel, call its notifier and record the outcome; nothing if another run was quicker."""
        if not self._dependencies.store.replace_delivery(self._message.id, name, recorded, claimed):
            return
        self.changed = True
        self.deliveries[name] = claimed
        notification = self._make_notification(channel)
        self._record(name, claimed, call_notifier(notifier, notification, claimed, channel, self._dependencies.now))

    def _make_notification(self, channel: Channel) -> Notification:
        dependencies = self._dependencies
        if self._message.site == SITE_OF_PROGRAMS:
            # Loaded only where programs publish.
            from chalicelib.logic.published_notification import as_notification

            notification = as_notification(self._message, channel, dependencies.stage_name)
        else:
            notification = from_contact(self._message, dependencies.site, channel, dependencies.stage_name, self._files)
        return replace(notification, inbox=dependencies.inbox_link(channel.name, self._message))

    def _take_ring(self, delivery: Delivery, channel: Channel, now: int) -> bool:
        """Spend a ring of the channel's budget and return True; without one, let the next summary count the message.

        A channel spends a ring at its first attempt only. A message that the owner has replayed, or released from
        quarantine, is no longer untouched and needs none.
        The summary counts the message before its record says so: a run that dies in between leaves a message that is
        counted and tried again, never one that nobody hears of.
        """
        if not delivery.is_untouched or self._dependencies.ring_budget.take(channel, self._person_rank, now):
            return True
        self._dependencies.summaries().add(channel.name, self._message.id, self._person_rank, now)
        return False

    def _record(self, name: str, before: Delivery, after: Delivery) -> bool:
        with self._lock:
            self.deliveries[name] = after
            due_at = self.due_at()
            self._writes_overlapped |= self._open_writes > 0
            self._open_writes += 1
        changed = self._dependencies.store.replace_delivery(self._message.id, name, before, after, due_at)
        with self._lock:
            self._open_writes -= 1
        if changed:
            self._dependencies.on_recorded(self._message, name, after)
        return changed


def end_overdue_claim(delivery: Delivery, now: int) -> Delivery:
    """Turn an expired claim into ``uncertain``: the run that died may have reached the provider, or not."""
    if delivery.state is State.SENDING and delivery.claimed_until <= now:
        return replace(delivery, state=State.UNCERTAIN, next_attempt_at=now, error="Interrupted", since=now)
    return delivery


def may_give_up(delivery: Delivery, channel: Channel | None) -> bool:
    """Whether a channel of a too old message is given up: not if it has ended, is being tried or is the owner's."""
    return not (delivery.state.is_final or delivery.needs_owner_decision(channel) or delivery.state is State.SENDING)


def may_attempt(delivery: Delivery, channel: Channel, now: int) -> bool:
    """Whether this channel may be tried now."""
    if delivery.state is State.PENDING:
        return True
    if delivery.state is State.WAITING or (delivery.state is State.UNCERTAIN and channel.retry_uncertain):
        return delivery.next_attempt_at <= now
    return False


def claim(delivery: Delivery, invocation: Invocation, now: int) -> Delivery:
    """The delivery while this invocation calls the notifier."""
    return Delivery(
        state=State.SENDING,
        attempts=delivery.attempts + 1,
        claimed_by=invocation.run_id,
        claimed_until=now + CLAIM_SECONDS,
        since=now,
    )


def call_notifier(
    notifier: Notifier, notification: Notification, claimed: Delivery, channel: Channel, now: Callable[[], int]
) -> Delivery:
    """Call the notifier once and return the delivery with its outcome."""
    try:
        reference = notifier.notify(notification)
    except FunctionError as error:
        state = state_after(error)
        wait = pause_after(claimed.attempts, channel, error.retry_after or 0)
        return replace(
            claimed,
            state=state,
            claimed_until=0,
            next_attempt_at=0 if state.is_final else now() + wait,
            error=type(error).__name__,
            since=now(),
        )
    return replace(claimed, state=State.DELIVERED, claimed_until=0, reference=reference, since=now())


def state_after(error: FunctionError) -> State:
    """The state that a notifier's error leaves a channel in."""
    match error:
        case InvalidRequestError() | ChannelRejectedError():
            return State.REJECTED
        case ChannelUnavailableError():
            return State.WAITING
        case ChannelUncertainError():
            return State.UNCERTAIN
    raise error


def action_of_run(deliveries: Mapping[str, Delivery], channels: Mapping[str, Channel]) -> Action:
    """How the message ended; raises :class:`DeliveryIncompleteError` while any channel may still deliver.

    One channel that will never deliver makes the whole message ``undeliverable``, whatever the others did: the owner
    must hear of it. The result's ``channels`` show which one it was.
    """
    still_open = [
        f"{name} {delivery.state}"
        for name, delivery in deliveries.items()
        if not delivery.state.is_final and not delivery.needs_owner_decision(channels.get(name))
    ]
    if still_open:
        raise DeliveryIncompleteError(f"still to deliver: {', '.join(still_open)}")
    states = {delivery.state for delivery in deliveries.values()}
    # Without any channel, as when its site has left the configuration, nobody was notified.
    if not states or any(state.is_lost for state in states):
        return Action.UNDELIVERABLE
    if State.UNCERTAIN in states:
        return Action.UNCERTAIN
    return Action.DELIVERED if State.DELIVERED in states else Action.SUMMARIZED
