"""Many messages at once while 30 % of the calls of all providers fail: afterwards each one's state is known and true.

The stand-ins fail by chance from a seed: the nth call that one of them gets meets the same fault in every run. They
count what they accepted. What the table, the bus, the stand-ins and the metrics say is compared channel by channel.
"""

from __future__ import annotations

import json
import math
import re
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest

from chalicelib.logic.failure_alarm import QUIET
from tests.e2e.harness import Harness, marker, wait_for
from tests.rehearsal import amount

Faults = dict[str, list[dict[str, Any]]]

STAND_INS = ("pushover", "ses", "webhooks")
BEFORE_ACCEPTANCE: list[dict[str, Any]] = [
    {"do": "status", "status": 429, "reset_in": 1, "share": 0.03},
    {"do": "stall", "seconds": 2, "share": 0.03},
]
"""Of every stand-in: the answer, late or not, says that nothing was accepted."""
AFTER_ACCEPTANCE: list[dict[str, Any]] = [
    {"do": "reset", "accept": True, "share": 0.03},
    {"do": "garbage", "accept": True, "share": 0.03},
    {"do": "slow_body", "seconds": 2, "share": 0.03},
]
REFUSED = {"do": "status", "status": 400, "share": 0.05}
HELD: Faults = {
    "pushover": [
        # As slow as this the notifier itself is ended by Lambda.
        {"do": "slow_body", "seconds": 600, "times": 1},
        {"do": "status", "status": 500, "share": 0.1},
        REFUSED,
        *BEFORE_ACCEPTANCE,
        *AFTER_ACCEPTANCE,
        {"do": "accept_then_stall", "seconds": 12, "share": 0.03},
    ],
    "ses": [
        # Of a 500 SES doesn't say whether it has accepted.
        {"do": "status", "status": 503, "share": 0.05},
        {"do": "status", "status": 500, "accept": True, "share": 0.05},
        REFUSED,
        *BEFORE_ACCEPTANCE,
        *AFTER_ACCEPTANCE,
        {"do": "accept_then_stall", "seconds": 9, "share": 0.03},
    ],
    "webhooks": [
        {"do": "status", "status": 500, "share": 0.1},
        {**REFUSED, "status": 422},
        *BEFORE_ACCEPTANCE,
        *AFTER_ACCEPTANCE,
        {"do": "accept_then_stall", "seconds": 12, "share": 0.03},
    ],
}
BROKEN: list[dict[str, Any]] = [
    {"do": "stall", "seconds": 12, "times": 1},
    {"do": "status", "status": 503, "share": 0.08},
    {"do": "reset", "share": 0.06},
    {"do": "reset", "accept": True, "share": 0.06},
    {"do": "refuse", "share": 0.05},
]
RUNG_AGAIN: Faults = {
    "pushover": [*BROKEN, {"do": "garbage", "share": 0.05}],
    "ses": [*BROKEN, {"do": "garbage", "share": 0.05}],
    "webhooks": [*BROKEN, {"do": "refuse", "share": 0.05}],
}
LEAVE_IT_OPEN = {
    "pushover": ("reset", "refuse", "garbage", "accept_then_stall"),
    "ses": ("reset", "refuse", "garbage", "accept_then_stall", "status_500"),
    # Any 2xx of a webhook's receiver is its acceptance, whatever it says.
    "webhooks": ("reset", "refuse", "accept_then_stall"),
}
"""The faults after which nobody but the provider knows whether it has accepted; and a stall that outlasts patience."""

METRICS = {
    "Delivered": ("delivered",),
    "SecondsToDelivery": ("delivered",),
    "Waiting": ("waiting",),
    "Uncertain": ("uncertain",),
    "Undeliverable": ("rejected", "expired"),
}
"""How often each was written: once for each line of the history with one of these states."""


class Tap:
    """Hears all that Lambda tells the bus of ``destined``, by a rule of its own."""

    def __init__(self, herald: Harness, queue: str) -> None:
        self._sqs = herald.account.client("sqs")
        self._queue = queue
        self._heard: list[dict[str, Any]] = []

    def heard(self) -> dict[str, list[dict[str, Any]]]:
        """The outcomes of each message so far, in the order in which they came."""
        while letters := self._sqs.receive_message(QueueUrl=self._queue, MaxNumberOfMessages=10).get("Messages"):
            self._heard += [json.loads(letter["Body"])["detail"] for letter in letters]
            entries = [{"Id": str(n), "ReceiptHandle": each["ReceiptHandle"]} for n, each in enumerate(letters)]
            self._sqs.delete_message_batch(QueueUrl=self._queue, Entries=entries)
        found: dict[str, list[dict[str, Any]]] = {}
        for detail in self._heard:
            found.setdefault(_message_id(detail), []).append(detail)
        return found


def _message_id(detail: Mapping[str, Any]) -> str:
    sns = detail["requestPayload"]["Records"][0]["Sns"]
    if sns["MessageAttributes"]["kind"]["Value"] == "retry":
        return str(sns["Message"])
    return str(json.loads(sns["Message"])["id"])


@contextmanager
def tap(herald: Harness) -> Iterator[Tap]:
    sqs, events, name = herald.account.client("sqs"), herald.account.client("events"), marker()
    arn, bus = herald.account.where.arn("sqs", name), herald.stage.bus
    allowed = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed | {"Resource": arn}]})
    url = sqs.create_queue(QueueName=name, Attributes={"Policy": policy})["QueueUrl"]
    events.put_rule(Name=name, EventBusName=bus, EventPattern=json.dumps({"source": ["lambda"]}))
    events.put_targets(Rule=name, EventBusName=bus, Targets=[{"Id": "tap", "Arn": arn}])
    try:
        yield Tap(herald, url)
    finally:
        events.remove_targets(Rule=name, EventBusName=bus, Ids=["tap"])
        events.delete_rule(Name=name, EventBusName=bus)
        sqs.delete_queue(QueueUrl=url)


class Storm:
    """So many messages to a site while its providers fail, and what everybody says of them afterwards."""

    def __init__(self, herald: Harness, site: str, messages: int, faults: Faults) -> None:
        self._herald = herald
        self._since = time.time() - 1
        self.site = site
        self.channels = dict(zip(STAND_INS, herald.stage.sites[site].channels, strict=True))
        """The site's channel that leads to each of the stand-ins."""
        for seed, stand_in in enumerate(STAND_INS):
            herald.control(stand_in, *faults[stand_in], seed=seed)
        with tap(herald) as self._tap, herald.mail_stand_in():
            self.words = self._send(messages)
            self._end()
            self.told = {each: told for each, told in self._tap.heard().items() if each in self.words}
        self.counted = {stand_in: herald.counted(stand_in) for stand_in in STAND_INS}
        self.accepted = {
            "pushover": _by_word(herald.pushes("")),
            "ses": _by_word(herald.taken_mails()),
            "webhooks": _by_word(herald.hooks("")),
        }
        self.records = self._records()
        self.metrics = self._metrics()

    def _send(self, messages: int) -> dict[str, str]:
        """The word in each message, by its id. The gateway lets as many in as two cores can carry."""

        words = [marker() for _ in range(messages)]
        let_in = partial(self._herald.let_in, path=f"/contact/{self.site}")
        with self._herald.throttled(rate=8, burst=8), ThreadPoolExecutor(4) as visitors:
            return dict(zip(visitors.map(let_in, words), words, strict=True))

    def _end(self) -> None:
        """Let Lambda's retries end, and the scheduled retry take up what they leave until nothing is left."""
        self._hear(dict.fromkeys(self.words, 1))
        for _ in range(20):
            waiting = [each for each, item in self._records().items() if "due" in item]
            if not waiting:
                return
            heard = self._tap.heard()
            for message_id in waiting:
                self._herald.let_time_pass(message_id)
            self._herald.run_retry_due()
            self._hear({each: len(heard[each]) + 1 for each in waiting})
        raise AssertionError(f"{len(waiting)} messages wait for ever")

    def _hear(self, outcomes: Mapping[str, int]) -> None:
        """Wait until the bus has told so many outcomes of each of these messages."""

        def all_told() -> bool:
            heard = self._tap.heard()
            return all(len(heard.get(each, ())) >= number for each, number in outcomes.items())

        wait_for(all_told, "word of every message", 300, pause=0.5)

    def _records(self) -> dict[str, dict[str, Any]]:
        items = {item["id"]["S"]: item for item in self._herald.items()}
        return {message_id: items[message_id] for message_id in self.words if message_id in items}

    def _metrics(self) -> Counter[tuple[str, str]]:
        """What was counted of these messages: by metric and channel, in embedded metric format."""
        found: Counter[tuple[str, str]] = Counter()
        for function in ("api_handler", "destined"):
            for text in self._herald.texts(function, self._since):
                for line in text.splitlines():
                    entry = json.loads(line) if '"_aws"' in line else {}
                    if entry.get("message_id") in self.words:
                        (each,) = entry["_aws"]["CloudWatchMetrics"]
                        for metric in each["Metrics"]:
                            found[metric["Name"], entry.get("channel", "")] += 1
        return found

    def states(self, channel: str) -> dict[str, str]:
        """The state of each message, by its id."""
        return {
            message_id: item["deliveries"]["M"][channel]["M"]["state"]["S"] for message_id, item in self.records.items()
        }

    def attempts(self, channel: str) -> int:
        return sum(int(item["deliveries"]["M"][channel]["M"]["attempts"]["N"]) for item in self.records.values())

    def history(self, channel: str) -> Counter[str]:
        """How often an attempt ended in each state."""
        lines = (line["M"] for item in self.records.values() for line in item["history"]["L"])
        return Counter(line["state"]["S"] for line in lines if line["channel"]["S"] == channel)

    def faulted(self, stand_in: str, *kinds: str) -> int:
        """How many faults of these kinds there were, before or after acceptance."""
        faulted = self.counted[stand_in]["faulted"]
        return sum(faulted.get(kind, 0) + faulted.get(f"{kind}_accepted", 0) for kind in kinds)

    def after_acceptance(self, stand_in: str) -> int:
        kinds = ("accept_then_stall", "slow_body")
        faulted = self.counted[stand_in]["faulted"]
        return sum(number for kind, number in faulted.items() if kind in kinds or kind.endswith("_accepted"))

    def last_words(self) -> dict[str, dict[str, Any]]:
        """What the bus said of each message in the end. Nothing may have followed on it, and an error may not be it."""
        found = {}
        for message_id, details in self.told.items():
            ended = [each for each in details if each["requestContext"]["condition"] == "Success"]
            # Of a message that it finds ended the scheduled retry says "unchanged".
            ended = [
                e["responsePayload"] for e in ended if e["responsePayload"]["action"] not in ("waiting", "unchanged")
            ]
            # Of a message that it finds lost it says so again: the run before may have died before it said it.
            repeated = ended[:1] * len(ended) if ended and ended[0]["action"] == "undeliverable" else ended[:1]
            assert ended == repeated != [], f"{message_id} ended {len(ended)} times"
            found[message_id] = ended[0]
        return found

    def check(self, messages: int, left_open: Mapping[str, Sequence[str]]) -> None:
        """What must be so in any storm: everybody says the same."""
        assert len(self.words) == len(self.records) == messages
        assert self.metrics["Accepted", ""] == messages
        assert set(self.told) == set(self.words)
        said = self.last_words()
        requests = sum(self.counted[stand_in]["requests"] for stand_in in STAND_INS)
        faulted = sum(sum(self.counted[stand_in]["faulted"].values()) for stand_in in STAND_INS)
        chance = 4 * math.sqrt(0.3 * 0.7 / requests)
        assert 0.3 - chance < faulted / requests < 0.3 + chance
        for stand_in, channel in self.channels.items():
            states, history = self.states(channel), self.history(channel)
            assert states == {each: said[each]["message"]["channels"][channel] for each in said}, "the bus says so, too"
            # Every call is an attempt in the table, and every attempt a call, or one that says that it was none.
            calls = self.counted[stand_in]["requests"]
            assert calls + self.without_call(channel) == self.attempts(channel) == sum(history.values())
            assert history["uncertain"] == self.faulted(stand_in, *left_open[stand_in]) + self.ended_by_lambda(channel)
            assert history["rejected"] == self.faulted(stand_in, "status_400", "status_422")
            for metric, of in METRICS.items():
                assert self.metrics[metric, channel] == sum(history[state] for state in of), f"{metric} of {channel}"
            if "accepted" in self.counted[stand_in]:
                assert self.counted[stand_in]["accepted"] == self.accepted[stand_in].total()

    def ended_by_lambda(self, channel: str) -> int:
        """How many of the notifier's runs Lambda ended, as the provider's answer took for ever."""
        return self._said_by_notifier(channel, "Task timed out")

    def without_call(self, channel: str) -> int:
        """How many attempts ended before the provider was called, as the stand-ins and the local AWS share two cores
        with all of it; each says so in a log."""
        words = ("SES was not reached: ", " could not be reached", "the secrets could not be read: ")
        lines = [line for text in self._herald.texts("destined", self._since) for line in text.splitlines()]
        not_invoked = [json.loads(line) for line in lines if " was not invoked: " in line]
        return sum(self._said_by_notifier(channel, each) for each in words) + len(
            [line for line in not_invoked if line["channel"] == channel]
        )

    def _said_by_notifier(self, channel: str, words: str) -> int:
        kind = self._herald.stage.channels[channel].kind
        return len([text for text in self._herald.texts(f"notify_{kind}", self._since) if words in text])


def _by_word(accepted: list[dict[str, Any]]) -> Counter[str]:
    """How often each message was accepted, by the word in it."""
    found: Counter[str] = Counter()
    for each in accepted:
        found.update(set(re.findall(r"marker-[0-9a-f]{12}", json.dumps(each))))
    return found


@pytest.fixture
def quiet(herald: Harness) -> Harness:
    """The stage when the owner was told of failures just now, so that no alarm's mail is among the messages'; and when
    nothing waits that other tests have sent."""
    herald.forget_what_is_due()
    herald.forget("alarm#")
    herald.change("alarm#", {"quiet_until": int(time.time()) + QUIET})
    return herald


@pytest.mark.full
@pytest.mark.rehearse("300 messages", "a message lost, or rung twice, while providers fail")
def test_of_many_messages_each_ends_in_a_state_that_is_true(quiet: Harness) -> None:
    messages = amount(50, 300)
    storm = Storm(quiet, "holding", messages, HELD)
    storm.check(messages, LEAVE_IT_OPEN)
    for stand_in, channel in storm.channels.items():
        uncertain = 0
        for message_id, state in storm.states(channel).items():
            times = storm.accepted[stand_in][storm.words[message_id]]
            match state:
                case "delivered" | "uncertain":
                    assert times == 1, f"{message_id} is {state} and was accepted {times} times by {stand_in}"
                    uncertain += state == "uncertain"
                case "rejected":
                    assert times == 0
                    assert storm.records[message_id]["deliveries"]["M"][channel]["M"]["error"]["S"]
                case other:
                    raise AssertionError(f"{message_id} was left {other}")
        assert uncertain <= storm.after_acceptance(stand_in)
    actions = Counter(answer["action"] for answer in storm.last_words().values())
    assert set(actions) == {"delivered", "undeliverable", "uncertain"}


@pytest.mark.full
@pytest.mark.rehearse("100 messages", "a message that stays uncertain for good")
def test_with_ring_again_nothing_stays_unrung(quiet: Harness) -> None:
    messages = amount(20, 100)
    storm = Storm(quiet, "ringing", messages, RUNG_AGAIN)
    storm.check(messages, {stand_in: (*kinds, "stall") for stand_in, kinds in LEAVE_IT_OPEN.items()})
    for stand_in, channel in storm.channels.items():
        assert set(storm.states(channel).values()) == {"delivered"}
        assert all(storm.accepted[stand_in][word] for word in storm.words.values())
        twice = storm.after_acceptance(stand_in)
        assert storm.accepted[stand_in].total() == messages + twice, "twice only where it may be"
