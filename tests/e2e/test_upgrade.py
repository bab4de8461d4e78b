"""A stage of the release before, with messages in every state, is deployed with this one, and rolled back.

The release is what Git keeps of its commit (``tests/last_release.toml``); its own commands deploy it, from its own
``herald.toml``.
"""

from __future__ import annotations

import io
import json
import os
import tarfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from chalicelib.logic.image_cleaning import cleaned
from ops.aws.account import environment
from ops.cli.messages import MAX_MESSAGES
from ops.local.deployment import keep_secrets
from ops.local.ports import Ports
from ops.local.stack import LocalStack, Pushover
from tests import last_release, needs
from tests.e2e import test_files
from tests.e2e.conftest import link_checkout, without_budget
from tests.e2e.gate import Gate, Stop
from tests.e2e.harness import Harness, marker, wait_for
from tests.e2e.operator import Operator
from tests.e2e.pocket import Pocket, pocket
from tests.e2e.test_commands import fresh_clone, shell, succeeds
from tests.e2e.test_kills import claiming
from tests.e2e.test_notifications import notification
from tests.images import photo
from tests.last_release import common
from tests.own_functions import without_own_functions

STAGE = ("--stage", "local")
SITES = """
[stages.local.delivery]
retry_minutes = 60   # the test runs `retry_due` itself

[stages.local.sites.default.files]
kinds = ["image"]

[stages.local.sites.patient]
thanks = "http://127.0.0.1:8080/thanks.html"
channels = ["patient"]

[stages.local.sites.flooded]
thanks = "http://127.0.0.1:8080/thanks.html"
channels = ["flooded"]

[stages.local.channels.patient]
kind = "pushover"
pause = 1
url = "http://127.0.0.1:8080/pushover"
uncertain = "hold"
rings = false

[stages.local.channels.flooded]
kind = "pushover"
pause = 1
url = "http://127.0.0.1:8080/pushover"
rings = { hour = 2, day = 4 }
"""
BUDGET = ("rings#flooded", "summary#flooded")
HOUR = 3600


@dataclass(frozen=True)
class Left:
    """A message that was left in a state."""

    id: str
    word: str
    state: str
    site: str = "default"
    rings: int = 1
    """How often its word is on the phone once it has come to its end."""


class Upgraded:
    """The stage, and everybody who uses it."""

    def __init__(self, herald: Harness, before: Path, now: Path, environ: dict[str, str], pockets: ExitStack) -> None:
        self.herald, self.before, self.now, self._environ = herald, before, now, environ
        self.operator = Operator(herald, now)
        self._pockets = pockets
        self._pocket: dict[str, Pocket] = {}

    def command(self, project: Path, *words: str) -> str:
        """Run a command of one of the two checkouts, in a process of its own; returns what it prints."""
        return succeeds(project, self._environ, *words, *STAGE)

    def command_amid_visitors(self, *words: str) -> dict[str, str]:
        """Run a command of this checkout while visitors write; returns the words of what was accepted, by id."""
        accepted: dict[str, str] = {}
        with ThreadPoolExecutor(1) as operator:
            running = operator.submit(self.command, self.now, *words)
            # With the others they fill no more than a page of the list.
            while not running.done() and len(accepted) < MAX_MESSAGES // 2:
                word = marker()
                answer = self.herald.post_json({"message": word})
                assert answer.status_code == 202, answer.text
                accepted[answer.json()["id"]] = word
                wait([running], 0.5)
            running.result()
        return accepted

    def shown(self, message_id: str) -> dict[str, Any]:
        """A message as the Invoke API answers; empty if there is none."""
        answer = self.herald.account.functions.invoke(
            FunctionName=self.herald.stage.function("get_message"),
            Payload=json.dumps({"version": 1, "id": message_id}).encode(),
        )
        found: dict[str, Any] = {} if "FunctionError" in answer else json.loads(answer["Payload"].read())
        return found

    def send(self, state: str, site: str = "default", message: str = "", rings: int = 1, **fields: str) -> Left:
        """Send a form, and wait until its message is in a state."""
        word = message or marker()
        answer = self.herald.post_json({"message": word, **fields}, f"/contact/{site}")
        return self._accepted(answer.json()["id"], state, Left(answer.json()["id"], word, state, site, rings))

    def _accepted(self, shown_id: str, state: str, left: Left) -> Left:
        wait_for(lambda: self.shown(shown_id).get("state") == state, f"message that is {state}")
        return left

    def _send_photo(self) -> Left:
        word = marker()
        answer = test_files.send(self.herald, word, ("a.jpg", photo(), "image/jpeg"), path="/contact/default")
        return self._accepted(answer.json()["id"], "waiting", Left(answer.json()["id"], word, "waiting"))

    def notify(self, word: str) -> Left:
        """Publish a notification whose key is its word."""
        topic = self.herald.account.where.arn("sns", self.herald.stage.topic)
        body = json.dumps(notification(word, key=word))
        publication = self.herald.account.sns.publish(TopicArn=topic, Message=body)["MessageId"]
        found = wait_for(lambda: self.shown(publication), "notification")
        return self._accepted(publication, "delivered", Left(found["id"], word, "delivered", found["site"]))

    def leave_messages_in_every_state(self) -> dict[str, Left]:
        """Leave at least one message in each state; returns them by name."""
        herald = self.herald
        herald.begin()
        herald.empty("failed-events")
        herald.restart("destined")  # A warm one knows what was spent of the budget.
        for key in BUDGET:
            herald.forget(key)
        left = {
            # Of these two the second is released in the end, and has the same text.
            "delivered": (first := self.send("delivered", rings=2)),
            "duplicate": self.send("duplicate", message=first.word, rings=2),
            "quarantined": self.send("quarantined", _gotcha="filled"),
            "notified": self.notify(marker()),
            "answered": (answered := self.send("delivered")),
            "rung": self.send("delivered", "flooded"),
            "summarized": self.send("summarized", "flooded"),
        }
        for site, message in (("default", answered), ("flooded", left["rung"])):
            self._pocket[site] = self._pockets.enter_context(pocket(herald, channel(site)))
            self._pocket[site].opens(self._pocket[site].link(message.id))
        assert self._pocket["default"].posts(f"answered?id={answered.id}").status_code == 303
        herald.faults({"do": "status", "status": 400})
        left["undeliverable"] = self.send("undeliverable")
        herald.faults({"do": "reset", "accept": True})
        left["uncertain"] = self.send("uncertain", "patient", rings=2)
        herald.faults({"do": "status", "status": 500, "times": 1000})
        left |= {"waiting": self.send("waiting"), "with a file": self._send_photo()}
        self._fail(left, "waiting", "with a file")
        herald.faults()
        with Gate(herald.stack.ports.aws_url).open() as gate, herald.led_to("destined", "DYNAMODB", gate.url):
            with gate.stopping(claiming, Stop.FAIL):
                left["stored"] = self.send("stored")
                self._fail(left, "stored")
            with gate.stopping(claiming, Stop.AFTER):
                left["claimed"] = self.send("waiting")
                gate.wait()
                herald.kill("destined")
            self._fail(left, "claimed")
        # A claim of 50 seconds would end by itself in the middle of the test.
        herald.change(left["claimed"].id, {"deliveries.pushover.claimed_until": int(time.time()) + HOUR})
        return left

    def _fail(self, left: dict[str, Left], *names: str) -> None:
        for name in names:
            self.herald.line("on_failure", message_id=left[name].id, condition="RetriesExhausted")

    def check_that_each_is_known(self, left: dict[str, Left], project: Path) -> None:
        """Check the state of each in the list of a checkout's commands, in its timeline and in the pocket's inbox."""
        listed = json.loads(self.command(project, "messages", "list", "--json"))["messages"]
        states = {message["id"]: message["state"] for message in listed}
        expected = {message.id: message.state for message in left.values()}
        assert {message_id: states.get(message_id) for message_id in expected} == expected
        for message in left.values():
            assert self.operator.json("trace", message.id)["state"] == message.state
            if message.site in self._pocket:
                page = self._pocket[message.site].gets(f"message?id={message.id}")
                assert (page.status_code, message.word in page.text) == (200, True)
                assert ("Marked as answered" in page.text) is (message is left["answered"])

    def check_that_it_is_remembered(self, left: dict[str, Left]) -> None:
        """The same text and the same key ring nobody a second time; another text does."""
        self.send("duplicate", message=left["delivered"].word)
        assert self.notify(left["notified"].word).id == left["notified"].id
        assert len(self.herald.pushes(self.send("delivered").word)) == 1

    def bring_all_to_their_end(self, left: dict[str, Left]) -> None:
        """What waits is tried again, what was lost replayed, what is held released, and a summary tells the rest."""
        herald = self.herald
        assert herald.invoke("destined", herald.retried(left["delivered"].id))["action"] == "unchanged"
        self.operator.gets("replay", left["undeliverable"].id, left["uncertain"].id)
        self.operator.gets("quarantine", "release", left["quarantined"].id, left["duplicate"].id)
        for _ in range(3):
            herald.restart("destined")
            herald.let_pass(8 * HOUR, *BUDGET)
        for name, message in left.items():
            ended = "summarized" if name == "summarized" else "delivered"
            wait_for(lambda id=message.id, ended=ended: self.shown(id)["state"] == ended, f"end of what was {name}")  # type: ignore[misc]
        wait_for(lambda: herald.pushes("1 more message"), "summary")
        letters = self.operator.json("replay", "--letters")["messages"]
        lost = [left[name].id for name in ("waiting", "with a file", "stored", "claimed")]
        assert sorted(letters) == sorted(lost)
        for message_id in lost:
            herald.line("on_success", message_id=message_id, action="unchanged")
        rung = {name: len(herald.pushes(message.word)) for name, message in left.items()}
        assert rung == {name: message.rings for name, message in left.items()}
        (push,) = herald.pushes(left["with a file"].word)
        assert push["attachment"]["bytes"] == len(cleaned(photo()))


def channel(site: str) -> str:
    return "pushover" if site == "default" else site


@pytest.fixture
def upgraded(tmp_path: Path) -> Iterator[Upgraded]:
    """Stage ``local`` on a stack of its own, deployed by the release before."""
    needs.rehearsal()
    before = tmp_path / "before"
    with tarfile.open(fileobj=io.BytesIO(needs.commit(last_release.RELEASE["commit"]))) as archive:
        archive.extractall(before, filter="data")
    toml = without_budget(without_own_functions((before / "herald.toml").read_text(encoding="utf-8"))) + SITES
    toml = toml.replace("[stages.local]\n", "[stages.local]\ninbox = true\n")
    environ = dict(os.environ) | {"HERALD_LOCAL_RETRY_SECONDS": "1,1"}
    root = link_checkout(tmp_path / "stack", toml)
    with LocalStack(root, Ports.free(), Pushover.of({}), environ) as stack, ExitStack() as pockets:
        now = fresh_clone(tmp_path / "now", root)  # Not earlier: it links the keys that the stack made.
        (before / ".herald").symlink_to(now / ".herald")
        (before / "herald.toml").write_text(toml, encoding="utf-8")
        shell_environ = environment(stack.config(), shell(stack.ports))
        keep_secrets(stack.account, stack.config().stage, stack.ports, Pushover.of({}))
        succeeds(before, shell_environ, "deploy", *STAGE)
        urls = json.loads(succeeds(before, shell_environ, "urls", *STAGE, "--json"))
        yield Upgraded(Harness(stack, urls), before, now, shell_environ, pockets)


@pytest.mark.rehearse(
    "a stage of the release before with messages in every state, upgraded while visitors write; the same rolled back",
    "an upgrade or rollback that loses, repeats or no longer knows a message",
)
def test_messages_in_every_state_go_on_after_an_upgrade_and_after_a_rollback(upgraded: Upgraded) -> None:
    for command in ("deploy", "rollback"):
        left = upgraded.leave_messages_in_every_state()
        before = {name: upgraded.shown(message.id) for name, message in left.items()}
        if command == "deploy":
            last_release.write(int(time.time()), upgraded.herald.items(), before)
        meanwhile = upgraded.command_amid_visitors(command)
        for name, message in left.items():
            after = upgraded.shown(message.id)
            assert after.keys() >= {"id", "state", "channels", "fields"}
            assert common(after, before[name]) == common(before[name], after)
        # After a rollback the commands are those of the checkout until somebody takes an older one.
        upgraded.check_that_each_is_known(left, upgraded.now if command == "deploy" else upgraded.before)
        upgraded.check_that_it_is_remembered(left)
        upgraded.bring_all_to_their_end(left)
        assert meanwhile
        for message_id, word in meanwhile.items():
            assert upgraded.shown(message_id)["state"] == "delivered"
            assert len(upgraded.herald.pushes(word)) == 1
