"""Many messages at once while the provider fails now and then: afterwards every message's state is known and true."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.e2e.harness import Harness, marker, wait_for

MESSAGES = 60
FAULTS = [
    {"do": "status", "status": 500, "share": 0.1},
    {"do": "refuse", "share": 0.05},
    {"do": "garbage", "share": 0.05},
    {"do": "status", "status": 400, "share": 0.05},
    {"do": "not_ok", "share": 0.05},
]


@pytest.mark.full
def test_no_message_is_lost_while_a_third_of_the_providers_answers_are_wrong(herald: Harness) -> None:
    herald.faults(*FAULTS, seed=20)
    # Two cores carry four of each function side by side. Lambda keeps what is throttled and runs it later.
    destined = herald.stage.function("destined")
    herald.account.functions.put_function_concurrency(FunctionName=destined, ReservedConcurrentExecutions=4)

    def send(_: int) -> tuple[str, str]:
        word = marker()
        # The gateway lets ten a second in, and says 429 to the others: then nothing was taken.
        answers = wait_for(
            lambda: [answer] if (answer := herald.post_json({"message": word})).status_code != 429 else None,
            "free place",
            60,
        )
        assert answers[0].status_code == 202
        return word, answers[0].json()["id"]

    with ThreadPoolExecutor(4) as visitors:
        sent = list(visitors.map(send, range(MESSAGES)))

    def told() -> dict[str, str]:
        """What the bus said of each message, by its id."""
        return {
            line["message_id"]: function
            for function in ("on_success", "on_failure")
            for line in herald.lines(function)
            if line.get("kind") == "contact"
        }

    wait_for(lambda: {message_id for _, message_id in sent} <= told().keys(), "word of every message", 120, pause=1)
    herald.account.functions.put_function_concurrency(
        FunctionName=destined, ReservedConcurrentExecutions=herald.config.reserved or 1000
    )
    heard = told()
    states = {message_id: herald.delivery(message_id)["state"] for _, message_id in sent}
    for word, message_id in sent:
        rings = len(herald.pushes(word))
        match states[message_id]:
            case "delivered":
                assert rings == 1, "what the provider did not accept can't be delivered, and nothing rings twice"
                assert heard[message_id] == "on_success"
            case "pending" | "rejected" | "waiting" | "uncertain":
                assert rings == 0, "none of these faults accepts a message"
                assert heard[message_id] == "on_failure"
            case other:
                raise AssertionError(f"{message_id} was left {other}")
    counted = Counter(states.values())
    provider = herald.provider()
    assert counted["delivered"] == provider["accepted"]
    assert counted["rejected"] == provider["faulted"].get("status_400", 0)
    assert sum(counted.values()) == MESSAGES
