"""One deployment of a stage at a time."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
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
HERE = replace(Holder.here("deploy"), since="2026-11-20 07:00:00")
ELSEWHERE = replace(HERE, host="another-machine", machine="another")
NAMESAKE = replace(HERE, machine="another")
"""As the machines of one kind of pipeline are, whose names are all the same."""
CREATES = {"Name": NAME, "Value": ANY, "Type": "String", "Overwrite": False}
TAKES_OVER = {**CREATES, "Overwrite": True}


def never(process: int) -> bool:
    return False


def always(process: int) -> bool:
    return True


def written(holder: Holder, after: int = 0) -> str:
    return json.dumps(asdict(replace(holder, after=after)))


def holds(stub: Stubber, value: str, version: int = 1, name: str = NAME) -> None:
    found = {"Parameter": {"Name": NAME, "Type": "String", "Value": value, "Version": version}}
    stub.add_response("get_parameter", found, {"Name": name})


def released(stub: Stubber) -> None:
    """Not deleted: Parameter Store asks for 30 seconds before a name is used again."""
    holds(stub, written(HERE))
    stub.add_response("put_parameter", {"Version": 9}, {**TAKES_OVER, "Value": "free"})


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
    holds(stub, written(holder))
    with pytest.raises(OpsError) as caught, lock.held(ssm, STAGE, "deploy", print, is_running):
        pytest.fail("it worked nevertheless")
    assert f"on {holder.host} (process {holder.process}), since {holder.since} UTC" in str(caught.value)
    assert "./herald unlock --stage dev" in str(caught.value)


def test_who_was_killed_on_this_machine_is_taken_over_from(stubbed: Stubbed) -> None:
    ssm, stub = stubbed("ssm")
    stub.add_client_error("put_parameter", "ParameterAlreadyExists")
    holds(stub, written(HERE, after=2), 3)
    stub.add_response("put_parameter", {"Version": 4}, TAKES_OVER)
    released(stub)
    said: list[str] = []
    with lock.held(ssm, STAGE, "deploy", said.append, never):
        assert said == [f"Takes over from {HERE}, which was killed"]


class Store:
    """A Parameter Store that keeps every version. ``before_next_write`` is what others write just before this run."""

    def __init__(self, *values: str, loses_answers: bool = False) -> None:
        self.values = [*values]
        self.before_next_write: list[str] = []
        self._loses_answers = loses_answers

    def put_parameter(self, *, Value: str, Overwrite: bool, **_: object) -> dict[str, int]:
        for _each in range(2 if self._loses_answers else 1):  # As the SDK asks again.
            if self.values and not Overwrite:
                raise ClientError({"Error": {"Code": "ParameterAlreadyExists"}}, "PutParameter")
            self.values += [*self.before_next_write, Value]
            self.before_next_write = []
        return {"Version": len(self.values)}

    def get_parameter(self, *, Name: str) -> dict[str, Any]:
        version = int(Name.removeprefix(NAME).removeprefix(":") or len(self.values))
        return {"Parameter": {"Value": self.values[version - 1], "Version": version}}


@pytest.mark.parametrize("before", [[], ["free"], [written(HERE)]])
def test_a_lock_that_was_taken_and_whose_answers_were_lost_is_held(before: list[str]) -> None:
    ssm: Any = Store(*before, loses_answers=True)
    with (
        lock.held(ssm, STAGE, "deploy", print, never),
        pytest.raises(OpsError, match="is being worked on: deploy"),
        lock.held(ssm, STAGE, "rollback", print, always),
    ):
        pytest.fail("it worked nevertheless")
    assert ssm.values[-1] == "free"


@pytest.mark.parametrize("before", ["free", written(HERE)])
@pytest.mark.parametrize("first_ends", [False, True])
def test_of_two_that_take_a_lock_at_the_same_time_the_first_holds_it(before: str, first_ends: bool) -> None:
    ssm: Any = Store(before)
    ssm.before_next_write = [written(ELSEWHERE, after=1), *(["free"] if first_ends else [])]
    with pytest.raises(OpsError, match="another run"), lock.held(ssm, STAGE, "deploy", print, never):
        pytest.fail("it worked nevertheless")
    # What the second wrote counts for nothing, whatever becomes of it.
    if first_ends:
        with lock.held(ssm, STAGE, "deploy", pytest.fail, never):
            pass
    else:
        with pytest.raises(OpsError, match="another-machine"), lock.held(ssm, STAGE, "deploy", print, never):
            pytest.fail("it worked nevertheless")
        assert lock.release(ssm, STAGE) == replace(ELSEWHERE, after=1)
    assert ssm.values[-1] == "free"


def test_a_lock_that_was_let_go_is_taken_without_a_word(stubbed: Stubbed) -> None:
    ssm, stub = stubbed("ssm")
    stub.add_client_error("put_parameter", "ParameterAlreadyExists")
    holds(stub, "free", 4)
    stub.add_response("put_parameter", {"Version": 5}, TAKES_OVER)
    released(stub)
    with lock.held(ssm, STAGE, "deploy", pytest.fail):
        pass


def test_a_lock_that_is_deleted_at_that_moment_is_not_made_anew(stubbed: Stubbed) -> None:
    ssm, stub = stubbed("ssm")
    stub.add_client_error("put_parameter", "ParameterAlreadyExists")
    stub.add_client_error("get_parameter", "ParameterNotFound")
    with pytest.raises(OpsError, match="has just been destroyed"), lock.held(ssm, STAGE, "deploy", print):
        pytest.fail("it worked nevertheless")


def test_a_lock_that_somebody_else_has_by_now_is_left(stubbed: Stubbed) -> None:
    """Unlocked by a person, and taken by another run."""
    ssm, stub = stubbed("ssm")
    stub.add_response("put_parameter", {"Version": 1}, CREATES)
    holds(stub, written(ELSEWHERE, after=1), 2)
    with lock.held(ssm, STAGE, "deploy", print):
        pass


def test_what_an_older_herald_wrote_is_read_and_not_taken_over_from(stubbed: Stubbed) -> None:
    ssm, stub = stubbed("ssm")
    stub.add_client_error("put_parameter", "ParameterAlreadyExists")
    holds(stub, json.dumps({name: text for name, text in asdict(HERE).items() if name != "machine"}))
    with pytest.raises(OpsError, match="is being worked on"), lock.held(ssm, STAGE, "deploy", print, never):
        pytest.fail("it worked nevertheless")


def test_a_machine_is_the_same_for_every_process_on_it() -> None:
    asked = [sys.executable, "-c", "from ops.deploy import lock; print(lock.machine())"]
    told = subprocess.run(asked, capture_output=True, text=True, timeout=60, check=True, cwd=Path(__file__).parents[2])
    assert told.stdout.strip() == lock.machine()


def test_letting_go_of_what_nobody_holds_says_so(stubbed: Stubbed) -> None:
    ssm, stub = stubbed("ssm")
    holds(stub, "free")
    assert lock.release(ssm, STAGE) is None
    stub.add_client_error("get_parameter", "ParameterNotFound")
    assert lock.release(ssm, STAGE) is None


@pytest.mark.parametrize("error", [None, RuntimeError()])
def test_a_lock_is_deleted_with_its_stage_but_not_where_that_fails(stubbed: Stubbed, error: Exception | None) -> None:
    ssm, stub = stubbed("ssm")
    stub.add_response("put_parameter", {"Version": 1}, CREATES)
    if error:
        released(stub)
    else:
        stub.add_response("delete_parameter", {}, {"Name": NAME})
    with (
        pytest.raises(RuntimeError) if error else nullcontext(),
        lock.held(ssm, STAGE, "destroy", print, deleted_at_end=True),
    ):
        if error:
            raise error
    stub.assert_no_pending_responses()
