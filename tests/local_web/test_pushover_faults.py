"""Failures on command, seen from the client's side of the socket."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, closing
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from ops.local.web.fault_plan import FaultPlan, parse
from ops.local.web.settings import WebSettings
from tests.local_web.conftest import Message, Start

URL = "/pushover/1/messages.json"
CONTROL = "/pushover/_control"
PATIENCE = 60.0
"""Seconds after which something that should happen hasn't: a bound against hanging, not a measure."""


def command(client: httpx.Client, *faults: dict[str, object], **more: object) -> None:
    client.put(CONTROL, json={"faults": list(faults), **more}).raise_for_status()


def counts(client: httpx.Client) -> Any:
    return client.get(CONTROL).json()


def waiting(client: httpx.Client, message: Message) -> AbstractContextManager[HTTPConnection]:
    """A connection on which a message was sent, and nothing read; at the end its client goes."""
    connection = HTTPConnection(client.base_url.netloc.decode(), timeout=PATIENCE)
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    connection.request("POST", URL, urlencode(message), form)
    return closing(connection)


def until(client: httpx.Client, key: str, value: object) -> Any:
    """The counts, as soon as one of them is ``value``."""
    deadline = time.monotonic() + PATIENCE
    while (now := counts(client))[key] != value:
        assert time.monotonic() < deadline, f"{key} is still {now[key]}, not {value}"
    return now


def test_faults_come_in_order_and_then_all_is_well(client: httpx.Client, message: Message) -> None:
    command(client, {"do": "status", "status": 500, "times": 2}, {"do": "status", "status": 400})
    codes = [client.post(URL, data=message).status_code for _ in range(4)]
    assert codes == [500, 500, 400, 200]
    now = counts(client)
    assert (now["requests"], now["accepted"], now["rejected"]) == (4, 1, 0)
    assert now["faulted"] == {"status_500": 2, "status_400": 1}
    assert now["pending"] == []


@pytest.mark.parametrize(
    ("fault", "status", "says"),
    [
        ({"do": "status", "status": 404}, 404, {"status": 0}),
        ({"do": "not_ok"}, 200, {"status": 0}),
        ({"do": "no_device"}, 200, {"status": 1, "info": "no active devices to send to"}),
        ({"do": "garbage"}, 200, None),
        ({"do": "redirect"}, 302, None),
        ({"do": "status", "status": 502}, 502, None),
        ({"do": "stall", "seconds": 0.1}, 503, None),
    ],
    ids=str,
)
def test_an_answer_on_command_has_its_documented_form_and_the_message_is_on_no_phone(
    client: httpx.Client, message: Message, fault: dict[str, object], status: int, says: dict[str, object] | None
) -> None:
    command(client, fault)
    answer = client.post(URL, data=message)
    assert (answer.status_code, answer.headers.get("Location")) == (status, "/" if status == 302 else None)
    assert ("text/html" in answer.headers.get("content-type", "")) == (status >= 500)
    if says is None:
        with pytest.raises(ValueError, match=r"Expecting value|decode"):
            answer.json()
    else:
        assert says.items() <= answer.json().items()
        assert says["status"] or answer.json()["errors"]
    assert client.get("/phone/messages.json").json() == []
    assert counts(client)["accepted"] == 0


def test_429_on_command_says_when_to_come_back(start: Start, message: Message) -> None:
    client = start(WebSettings(clock=lambda: 1_000_000.0))
    command(client, {"do": "status", "status": 429, "reset_in": 90})
    answer = client.post(URL, data=message)
    assert answer.status_code == 429
    assert answer.headers["x-limit-app-remaining"] == "0"
    assert answer.headers["x-limit-app-reset"] == "1000090"
    assert client.post(URL, data=message).status_code == 200


def test_refuse_closes_the_connection_without_an_answer(client: httpx.Client, message: Message) -> None:
    command(client, {"do": "refuse"})
    with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
        client.post(URL, data=message)
    assert client.get("/phone/messages.json").json() == []
    assert counts(client)["faulted"] == {"refuse": 1}


@pytest.mark.parametrize("accept", [False, True])
def test_a_reset_breaks_the_connection_off_before_or_after_acceptance(
    client: httpx.Client, message: Message, accept: bool
) -> None:
    command(client, {"do": "reset", "accept": accept})
    with pytest.raises(httpx.ReadError):
        client.post(URL, data=message)
    assert len(client.get("/phone/messages.json").json()) == accept
    assert counts(client)["faulted"] == {"reset_accepted" if accept else "reset": 1}


def test_a_wrong_answer_may_follow_on_acceptance(client: httpx.Client, message: Message) -> None:
    command(client, {"do": "status", "status": 502, "accept": True}, {"do": "garbage", "accept": True})
    assert client.post(URL, data=message).status_code == 502
    assert b"not JSON" in client.post(URL, data=message).content
    assert counts(client)["accepted"] == 2


def test_a_stall_is_not_accepted_and_ends_when_the_client_goes(client: httpx.Client, message: Message) -> None:
    command(client, {"do": "stall", "seconds": 600})
    with waiting(client, message):
        until(client, "in_progress", 1)
    now = until(client, "in_progress", 0)
    assert (now["accepted"], now["faulted"]) == (0, {"stall": 1})
    assert client.get("/phone/messages.json").json() == []


def test_accept_then_stall_shows_on_the_phone_though_nobody_hears_of_it(client: httpx.Client, message: Message) -> None:
    command(client, {"do": "accept_then_stall", "seconds": 600})
    with waiting(client, message):
        until(client, "faulted", {"accept_then_stall": 1})
    assert len(client.get("/phone/messages.json").json()) == 1
    now = until(client, "in_progress", 0)
    assert (now["accepted"], now["faulted"]) == (1, {"accept_then_stall": 1})


def test_accept_then_stall_answers_properly_to_the_patient(client: httpx.Client, message: Message) -> None:
    command(client, {"do": "accept_then_stall", "seconds": 0.1})
    assert client.post(URL, data=message).json()["status"] == 1


def test_slow_body_answers_at_once_and_takes_its_time_for_the_body(client: httpx.Client, message: Message) -> None:
    command(client, {"do": "slow_body", "seconds": 600}, {"do": "slow_body", "seconds": 0.2})
    with waiting(client, message) as connection:
        assert connection.getresponse().status == 200
        assert counts(client)["in_progress"] == 1
    assert client.post(URL, data=message).json()["status"] == 1


def test_a_share_is_random_but_the_same_for_the_same_seed(client: httpx.Client, message: Message) -> None:
    def codes(seed: int) -> list[int]:
        command(client, {"do": "status", "status": 503, "share": 0.3}, seed=seed)
        return [client.post(URL, data=message).status_code for _ in range(60)]

    first = codes(7)
    assert 5 < first.count(503) < 35
    assert codes(7) == first
    assert codes(8) != first


def test_a_share_with_times_stops_after_them() -> None:
    plan = FaultPlan(parse({"faults": [{"do": "refuse", "share": 1, "times": 2}]}).faults)
    assert [plan.next() is not None for _ in range(3)] == [True, True, False]


def test_the_most_requests_at_once_are_recorded(client: httpx.Client, message: Message) -> None:
    command(client, {"do": "accept_then_stall", "seconds": 600, "times": 3})
    assert counts(client)["max_concurrent"] == 0
    with waiting(client, message), waiting(client, message), waiting(client, message):
        until(client, "in_progress", 3)
    assert until(client, "in_progress", 0)["max_concurrent"] == 3


def test_delete_forgets_faults_and_counts_but_not_the_phone(client: httpx.Client, message: Message) -> None:
    client.post(URL, data=message)
    command(client, {"do": "refuse"}, quota=5)
    client.delete(CONTROL)
    nothing = dict.fromkeys(("requests", "accepted", "rejected", "max_concurrent", "in_progress"), 0)
    assert counts(client) == nothing | {"faulted": {}, "quota": 10_000, "remaining": 10_000, "pending": []}
    assert len(client.get("/phone/messages.json").json()) == 1


def test_a_quota_on_command_counts_from_then_on(client: httpx.Client, message: Message) -> None:
    client.post(URL, data=message)
    command(client, quota=1)
    assert [client.post(URL, data=message).status_code for _ in range(2)] == [200, 429]


@pytest.mark.parametrize(
    ("control", "at", "expected"),
    [
        ([], "body", "JSON object"),
        ({}, "faults", "a list"),
        ({"faults": [], "extra": 1}, "extra", "faults, seed, quota"),
        ({"faults": ["stall"]}, "faults[0]", "an object"),
        ({"faults": [{"do": "refuse"}, {"do": "explode"}]}, "faults[1].do", "accept_then_stall"),
        ({"faults": [{"do": "refuse", "seconds": 3}]}, "faults[0].seconds", "do, times, share"),
        ({"faults": [{"do": "status"}]}, "faults[0].status", "400 to 599"),
        ({"faults": [{"do": "status", "status": 200}]}, "faults[0].status", "400 to 599"),
        ({"faults": [{"do": "status", "status": "500"}]}, "faults[0].status", "400 to 599"),
        ({"faults": [{"do": "status", "status": 500, "reset_in": 3}]}, "faults[0].reset_in", "429 only"),
        ({"faults": [{"do": "stall", "seconds": -1}]}, "faults[0].seconds", "from 0"),
        ({"faults": [{"do": "stall", "seconds": None}]}, "faults[0].seconds", "from 0"),
        ({"faults": [{"do": "refuse", "times": 0}]}, "faults[0].times", "from 1"),
        ({"faults": [{"do": "refuse", "times": True}]}, "faults[0].times", "from 1"),
        ({"faults": [{"do": "refuse", "share": 0}]}, "faults[0].share", "above 0"),
        ({"faults": [{"do": "refuse", "share": 1.5}]}, "faults[0].share", "at most 1"),
        ({"faults": [], "seed": "x"}, "seed", "whole number"),
        ({"faults": [], "quota": -1}, "quota", "whole number"),
    ],
    ids=str,
)
def test_wrong_control_input_is_told_what_is_right_and_changes_nothing(
    client: httpx.Client, control: object, at: str, expected: str
) -> None:
    command(client, {"do": "refuse"})
    answer = client.put(CONTROL, json=control)
    assert answer.status_code == 400
    (problem,) = answer.json()["problems"]
    assert problem["at"] == at
    assert expected in problem["expected"]
    assert at in answer.json()["error"]
    assert counts(client)["pending"] == [{"do": "refuse", "left": 1}]


def test_control_input_that_is_no_json_is_400(client: httpx.Client) -> None:
    assert client.put(CONTROL, content=b"{").status_code == 400
