"""One deployment of a stage at a time."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.stub import ANY, Stubber

from ops.deploy import lock
from ops.deploy.lock import Holder
from ops.errors import OpsError
from tests.fakes import stage

Stubbed = Callable[[str], tuple[Any, Stubber]]
STAGE = stage("dev")
NAME = "/herald/dev/deployed/lock"
HERE = Holder.here("deploy")
ELSEWHERE = replace(HERE, host="another-machine", machine="another")
NAMESAKE = replace(HERE, machine="another")
"""As the machines of one kind of pipeline are, whose names are all the same."""
CREATES = {"Name": NAME, "Value": ANY, "Type": "String", "Overwrite": False}
TAKES_OVER = {**CREATES, "Overwrite": True}


def never(process: int) -> bool:
    return False


def always(process: int) -> bool:
    return True


def held_by(stub: Stubber, holder: Holder, version: int = 1, *, without: str = "") -> None:
    value = json.dumps({name: text for name, text in asdict(holder).items() if name != without})
    found = {"Parameter": {"Name": NAME, "Type": "String", "Value": value, "Version": version}}
    stub.add_response("get_parameter", found, {"Name": NAME})


def released(stub: Stubber) -> None:
    held_by(stub, HERE)
    stub.add_response("delete_parameter", {}, {"Name": NAME})


def test_the_lock_is_held_for_as_long_as_the_work_takes_and_let_go_after_a_failure(stubbed: Stubbed) -> None:
    ssm, stub = stubbed("ssm")
    stub.add_response("put_parameter", {"Version": 1}, CREATES)
    released(stub)
    with pytest.raises(RuntimeError), lock.held(ssm, STAGE, "deploy", print):
        raise RuntimeError


@pytest.mark.parametrize(
    ("holder", "is_running"),
    [(HERE, always), (ELSEWHERE, always), (ELSEWHERE, never), (NAMESAKE, never), (replace(HERE, machine=""), never)],
)
def test_whoever_may_still_work_keeps_the_lock_and_the_way_out_is_said(
    stubbed: Stubbed, holder: Holder, is_running: Callable[[int], bool]
) -> None:
    ssm, stub = stubbed("ssm")
    stub.add_client_error("put_parameter", "ParameterAlreadyExists")
    held_by(stub, holder)
    with pytest.raises(OpsError) as caught, lock.held(ssm, STAGE, "deploy", print, is_running):
        pytest.fail("it worked nevertheless")
    assert f"on {holder.host} (process {holder.process}), since {holder.since} UTC" in str(caught.value)
    assert "./herald unlock --stage dev" in str(caught.value)


def test_who_was_killed_on_this_machine_is_taken_over_from(stubbed: Stubbed) -> None:
    ssm, stub = stubbed("ssm")
    stub.add_client_error("put_parameter", "ParameterAlreadyExists")
    held_by(stub, HERE, 3)
    stub.add_response("put_parameter", {"Version": 4}, TAKES_OVER)
    released(stub)
    said: list[str] = []
    with lock.held(ssm, STAGE, "deploy", said.append, never):
        assert said == [f"Takes over from {HERE}, which was killed"]


class LosesAnAnswer:
    """A Parameter Store whose first answer is lost, so that the SDK asks again for what is done already."""

    value = ""

    def put_parameter(self, *, Value: str, **_: object) -> dict[str, int]:
        self.value = Value
        raise ClientError({"Error": {"Code": "ParameterAlreadyExists"}}, "PutParameter")

    def get_parameter(self, **_: object) -> dict[str, Any]:
        return {"Parameter": {"Value": self.value, "Version": 1}}

    def delete_parameter(self, **_: object) -> None:
        self.value = ""


def test_a_lock_that_was_taken_and_whose_answer_was_lost_is_held() -> None:
    ssm: Any = LosesAnAnswer()
    with lock.held(ssm, STAGE, "deploy", print, always):
        assert ssm.value
    assert not ssm.value


def test_of_two_that_take_over_at_the_same_time_one_gives_way(stubbed: Stubbed) -> None:
    ssm, stub = stubbed("ssm")
    stub.add_client_error("put_parameter", "ParameterAlreadyExists")
    held_by(stub, HERE, 3)
    stub.add_response("put_parameter", {"Version": 5}, TAKES_OVER)
    with pytest.raises(OpsError, match="another run"), lock.held(ssm, STAGE, "deploy", print, never):
        pytest.fail("it worked nevertheless")


def test_a_lock_that_somebody_else_has_by_now_is_left(stubbed: Stubbed) -> None:
    """Unlocked by a person, and taken by another run."""
    ssm, stub = stubbed("ssm")
    stub.add_response("put_parameter", {"Version": 1}, CREATES)
    held_by(stub, ELSEWHERE, 2)
    with lock.held(ssm, STAGE, "deploy", print):
        pass


def test_what_an_older_herald_wrote_is_read_and_not_taken_over_from(stubbed: Stubbed) -> None:
    ssm, stub = stubbed("ssm")
    stub.add_client_error("put_parameter", "ParameterAlreadyExists")
    held_by(stub, HERE, without="machine")
    with pytest.raises(OpsError, match="is being worked on"), lock.held(ssm, STAGE, "deploy", print, never):
        pytest.fail("it worked nevertheless")


def test_a_machine_is_the_same_for_every_process_on_it() -> None:
    asked = [sys.executable, "-c", "from ops.deploy import lock; print(lock.machine())"]
    told = subprocess.run(asked, capture_output=True, text=True, timeout=60, check=True, cwd=Path(__file__).parents[2])
    assert told.stdout.strip() == lock.machine()


def test_letting_go_of_what_nobody_holds_says_so(stubbed: Stubbed) -> None:
    ssm, stub = stubbed("ssm")
    stub.add_client_error("get_parameter", "ParameterNotFound")
    stub.add_client_error("delete_parameter", "ParameterNotFound")
    assert lock.release(ssm, STAGE) is None
