"""Eight hours of traffic at a hundred messages an hour, ten times what a busy form has, while the world goes wrong.

Simulated: time, by moving what waits for one nearer every quarter of an hour; providers, which fail from a seed.
Real: API, topic, table, bus, queues and functions of the local stack, their kills, a claim's 50 s, deployments.
Bounded: memory of each function's processes, items and their size, dead letters, characters of log.
The sums agree: what was accepted is delivered, held, told in a summary, or lost and heard of; and each message rang no
more often than its attempts allow. Lambda's own retries come after one second.
"""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from chalicelib.functions import functions_of
from chalicelib.logic.delivery_types import SUMMARY_PREFIX
from chalicelib.logic.stored_messages import ListedMessage
from ops.operations.dead_letters import QUEUES, Queue
from ops.operations.redrive import REDRIVEN
from tests.e2e.harness import Harness, marker, wait_for
from tests.e2e.operator import Operator
from tests.rehearsal import amount

LOG = logging.getLogger(__name__)
QUARTER = 15 * 60
HOUR = 4
"""In quarters."""
HOURS = 8
EACH_QUARTER = amount(8, 25)
"""Messages: a hundred an hour."""
LONGEST_PAUSE = 6 * 3600
"""Of a retry and between two summaries, in seconds: docs/delivery.md"""
SITES = ("flooded", "flooded", "flooded", "flooded", "default", "patient", "signed")
"""Where messages go, in turns: beyond a budget of rings, to a channel that rings again, one that holds, a webhook."""
BUDGET = ("rings#flooded", f"{SUMMARY_PREFIX}flooded")
KEPT_FOR_GOOD = ("rings#", SUMMARY_PREFIX, "alarm#", "digest#", "canary#")
"""Items without an end: one for each channel, site or stage."""
FAULTS: list[dict[str, Any]] = [
    {"do": "status", "status": 500, "share": 0.06},
    {"do": "status", "status": 429, "reset_in": 1, "share": 0.02},
    {"do": "stall", "seconds": 12, "share": 0.004},
    {"do": "refuse", "share": 0.02},
    {"do": "reset", "accept": True, "share": 0.02},
    {"do": "accept_then_stall", "seconds": 12, "share": 0.004},
]
REJECTED = {"do": "status", "status": 400, "share": 0.01}
KILLED = {0: "api_handler", 1: "destined", 2: "notify_pushover", 3: "on_success"}
"""Which function, by the quarter of its hour."""
MEASURED = ("api_handler", "destined", "notify_pushover", "notify_webhook", "on_success", "on_failure", "retry_due")
MAX_PROCESSES = 10
"""Of a function: so many runs of ``destined`` at once are ``reserved`` in the tests' ``[delivery]``."""
WORD = re.compile(r"marker-[0-9a-f]{12}")
ENDED = {"delivered", "summarized", "quarantined", "duplicate", "undeliverable", "uncertain"}


class Soak:
    """The traffic, and what everybody says of it."""

    def __init__(self, herald: Harness, operator: Operator) -> None:
        self.herald, self._operator = herald, operator
        self.since = int(time.time()) - 1
        self.accepted: set[str] = set()
        """The ids that visitors were told."""
        self.unanswered = 0
        """Requests that ended with an error of the server: nobody knows whether it has accepted."""
        self.killed = 0
        """How many processes of ``destined`` were killed."""
        self.redriven: list[str] = []
        """The ids in dead letters that the operator had ``destined`` try again."""
        self.memory: list[dict[str, dict[int, int]]] = []
        """At the end of each hour: KiB of each process, by function."""
        for queue in QUEUES:
            herald.empty(queue)
        for key in BUDGET:
            herald.forget(key)
        herald.forget_what_is_due()
        herald.restart("destined")  # A warm one knows what was spent.
        self._items_before = {item["id"]["S"] for item in herald.items()}
        herald.control("pushover", *FAULTS, REJECTED, seed=1)
        herald.control("webhooks", *FAULTS, seed=2)

    def quarter(self, number: int, killed: str | None) -> None:
        """A quarter of an hour, in the middle of which a function is killed."""

        def send(slot: int) -> None:
            if killed and slot == EACH_QUARTER // 2:
                for pid in self.herald.processes(killed):
                    os.kill(pid, signal.SIGKILL)
                    self.killed += killed == "destined"
            self._send(number, slot)

        with ThreadPoolExecutor(4) as visitors:
            list(visitors.map(send, range(EACH_QUARTER)))
        self.herald.let_pass(QUARTER, *BUDGET, claims=False)
        if number % HOUR == HOUR - 1:
            self.memory.append({name: dict(self._kib(name)) for name in MEASURED})
            LOG.info("hour %d: %s", number // HOUR + 1, Counter(self.states().values()))

    def _send(self, quarter: int, slot: int) -> None:
        if slot < EACH_QUARTER - 1:
            # Every seventh has no sign of a person.
            self._accept(SITES[slot % 7], marker(), **({"name": "Ada", "_fill_seconds": "12"} if slot % 7 else {}))
            return
        # The last is junk, the same twice, or refused.
        match quarter % 3:
            case 0:
                self._accept("guarded", marker(), _gotcha="filled")
            case 1:
                word = marker()
                self._accept("default", word)
                self._accept("default", word)
            case _:
                answer = self.herald.post_form("/contact/default", name="Ada")
                assert answer.status_code in (400, 422, 429, 502, 503), answer.text

    def _accept(self, site: str, word: str, **fields: str) -> None:
        """Send until it is accepted. After an error of the server the first may be on its way all the same."""

        def is_accepted() -> bool:
            try:
                answer = self.herald.post_json({"message": word, **fields}, f"/contact/{site}")
            except requests.RequestException:
                self.unanswered += 1
                return False
            self.unanswered += answer.status_code >= 500
            if answer.status_code == 202:
                self.accepted.add(str(answer.json()["id"]))
            return answer.status_code == 202

        wait_for(is_accepted, "answer that it was accepted", 120, pause=0.2)

    def _kib(self, function: str) -> Iterator[tuple[int, int]]:
        for pid in self.herald.processes(function):
            try:
                status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
            except OSError:
                continue
            if found := re.search(r"^VmRSS:\s+(\d+)", status, re.MULTILINE):
                yield pid, int(found[1])

    def end(self) -> None:
        """Nothing fails any more; time passes until nothing waits, and the operator redrives dead letters."""
        self.herald.control("pushover")
        self.herald.control("webhooks")
        for number in range(10):
            self.herald.restart("destined")
            # No run takes longer than the first wait: what is still claimed after it was killed.
            self.herald.let_pass(LONGEST_PAUSE, *BUDGET, claims=number > 0)
            # What could never be stored, as when the table did not answer, is whole in the queue of failed events.
            # A letter that comes while it is being emptied is left for the next time.
            done = json.loads(self._operator.types("replay", "--letters", "--json").stdout)
            assert done["errors"] == []
            self.redriven += done["messages"]
            try:
                wait_for(self._is_over, "end", amount(10, 30), pause=2)
                return
            except AssertionError:
                LOG.info("%s, %d redriven", Counter(self.states().values()), len(self.redriven))
        raise AssertionError(f"after {10 * LONGEST_PAUSE // 3600} hours: {Counter(self.states().values())}")

    def _is_over(self) -> bool:
        states = self.states()
        if not (self.accepted <= set(states) and set(states.values()) <= ENDED):
            return False
        summary = self.herald.item(BUDGET[1])
        told = int(summary.get("pending_count", {"N": "0"})["N"]) == 0 and "taken_by" not in summary
        return told and not any(map(self.letters, REDRIVEN))

    def messages(self) -> dict[str, ListedMessage]:
        """Each message that is stored, by its id."""
        found: dict[str, ListedMessage] = {}
        for site in {*SITES, "guarded"}:
            found |= self.herald.listed(site, self.since)
        return found

    def states(self) -> dict[str, str]:
        return {message_id: str(message.state) for message_id, message in self.messages().items()}

    def items(self) -> dict[str, dict[str, Any]]:
        """The items that came since the beginning, by their ids."""
        return {item["id"]["S"]: item for item in self.herald.items() if item["id"]["S"] not in self._items_before}

    def letters(self, queue: str) -> int:
        return self.herald.letters(queue, "ApproximateNumberOfMessages")

    def failures(self) -> list[dict[str, Any]]:
        """The log lines of ``on_failure``."""
        return list(self.herald.lines("on_failure", self.since))

    def unheard(self) -> set[str]:
        """The ids in outcomes for which a function failed three times: they are kept, and an alarm sounds."""
        queue = Queue(self.herald.account.client("sqs"), self.herald.stage, "rule-dead-letters")
        with queue.letters() as letters:
            return {letter.id for letter in letters}


@pytest.mark.full
@pytest.mark.rehearse(
    "eight simulated hours, 800 messages: providers fail, functions are killed, the stage is deployed again twice",
    "a message lost or rung too often, sums that differ, a log, queue, table or process that grows",
)
def test_of_hours_of_traffic_every_message_is_accounted_for_and_nothing_grows(herald: Harness, checkout: Path) -> None:
    soak, deployments = Soak(herald, Operator(herald, checkout)), []
    with ThreadPoolExecutor(1) as operator:
        for number in range(amount(2, HOURS * HOUR)):
            # The last two hours are calm, so that memory can be compared.
            disturbed = number < (HOURS - 2) * HOUR
            if disturbed and number and number % HOUR == 0:
                herald.restart("destined")  # A warm one knows what was spent, whatever time was moved.
            if number in (2 * HOUR, 4 * HOUR):
                deployments.append(operator.submit(herald.stack.deploy, LOG.info))
            soak.quarter(number, KILLED.get(number % HOUR) if disturbed else None)
        for deployment in deployments:
            deployment.result()
    soak.end()
    check_that_every_message_is_accounted_for(soak)
    check_that_nothing_grew(soak)


def check_that_every_message_is_accounted_for(soak: Soak) -> None:
    """Accepted is delivered, told in a summary, held, or lost and heard of; none rang more often than it may."""
    herald, messages, items = soak.herald, soak.messages(), soak.items()
    states = Counter(str(message.state) for message in messages.values())
    assert soak.accepted <= set(messages), "what was accepted is stored"
    assert len(messages) - len(soak.accepted) <= soak.unanswered
    assert set(states) <= ENDED
    lost = {each for each, message in messages.items() if str(message.state) in ("undeliverable", "uncertain")}

    def is_heard() -> bool:
        failures, unheard = soak.failures(), soak.unheard()
        of_loss = {line["message_id"] for line in failures if line.get("action")}
        return (
            lost <= of_loss | unheard and set(soak.redriven) <= {line.get("message_id") for line in failures} | unheard
        )

    wait_for(is_heard, "word of everything that was lost or failed", 60, pause=1)

    summaries: dict[str, int] = {}
    rung: Counter[str] = Counter()
    for push in herald.pushes(""):
        if push["title"].endswith(" more messages"):
            # One that is sent again, as nobody knows whether it arrived, names the same messages.
            summaries[WORD.findall(push["message"])[0]] = int(push["title"].split()[0])
        else:
            rung.update(set(WORD.findall(push["message"])))
    rung.update(word for hook in herald.hooks("marker-") for word in set(WORD.findall(str(hook["body"]))))
    expected: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for message_id, message in messages.items():
        (word,) = set(WORD.findall(json.dumps(items[f"fields#{message_id}"])))
        (delivery,) = message.channels.values()
        history = [line["M"]["state"]["S"] for line in items[message_id].get("history", {"L": []})["L"]]
        assert len(history) <= delivery.attempts + 1
        # Every attempt may have rung but those of which it is known that they have not.
        may_have_rung = delivery.attempts - history.count("waiting") - history.count("rejected")
        expected[word].update({str(message.state): 1, "may have rung": may_have_rung})
    for word, each in expected.items():
        assert each["delivered"] <= rung[word] <= each["may have rung"], f"{word}: {each}, rang {rung[word]} times"
        assert each.keys() - {"duplicate", "may have rung"}, f"{word}: of the same twice one is no duplicate"

    lost_summaries = [line for line in soak.failures() if str(line.get("message_id")).startswith(SUMMARY_PREFIX)]
    told = sum(summaries.values()) + sum(line.get("messages", 0) for line in lost_summaries)
    LOG.info("%s; %d unanswered; summaries tell of %s", states, soak.unanswered, list(summaries.values()))
    # A run that was killed after it had counted, or whose write was repeated, counts twice: docs/delivery.md
    assert states["summarized"] <= told <= states["summarized"] * 1.1 + soak.killed


def check_that_nothing_grew(soak: Soak) -> None:
    """Table, queues, logs and memory are as large as the messages and the functions make them, and no larger."""
    herald, messages, items = soak.herald, soak.messages(), soak.items()
    lines = {spec.name: herald.texts(spec.name, soak.since) for spec in functions_of(herald.stage)}
    written = {name: sum(map(len, texts)) // len(messages) for name, texts in lines.items()}
    letters = {queue: soak.letters(queue) for queue in QUEUES}
    LOG.info(
        "%d items, %d redriven, letters %s, characters of log for each message %s",
        len(items),
        len(soak.redriven),
        letters,
        written,
    )
    rest = [item for each, item in items.items() if each.removeprefix("fields#") not in messages]
    LOG.info("other items: %s", Counter(item["id"]["S"].partition("#")[0] for item in rest))
    LOG.info("KiB at the end of each hour: %s", soak.memory)
    assert len(soak.redriven) < len(messages) / 10 + 5
    assert letters.pop("rule-dead-letters") <= len(messages) / 100 + 1
    assert not any(letters.values())
    assert len(items) - len(rest) == 2 * len(messages)
    for item in rest:
        assert "expires_at" in item or item["id"]["S"].startswith(KEPT_FOR_GOOD)
    assert len(rest) < 2 * len(messages)
    assert max(len(json.dumps(item)) for item in items.values()) < 8_192
    assert sum(written.values()) < 12_000
    assert not [text for texts in lines.values() for text in texts if "marker-" in text]
    for name in MEASURED if len(soak.memory) == HOURS else ():
        before, after = (hour[name] for hour in soak.memory[-2:])
        assert len(after) <= MAX_PROCESSES, name
        for pid in before.keys() & after.keys():
            assert after[pid] < before[pid] + 1024, f"{name} grows by more than a MiB"
