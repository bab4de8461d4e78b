"""Chalice's record, kept in the account."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.stub import ANY, Stubber

from chalicelib.functions import functions_of
from ops.deploy import chalice_state
from ops.naming import AwsLocation
from tests.fakes import stage

Stubbed = Callable[[str], tuple[Any, Stubber]]
STAGE = stage("dev")
NAME = "/herald/dev/deployed"
SCHEDULES = {spec.name: spec.trigger.kind == "schedule" for spec in functions_of(STAGE)}
WHERE = AwsLocation("aws", "eu-central-1", "123456789012")
RECORD = {
    "resources": [
        {"name": "destined", "resource_type": "lambda_function"},
        {"name": "rest_api", "resource_type": "rest_api", "rest_api_id": "abc123", "rest_api_url": "https://…/api/"},
    ],
    "schema_version": "2.0",
}


def place(root: Path) -> Path:
    path = root / ".chalice" / "deployed" / "dev.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def packed(value: object) -> str:
    return base64.b64encode(zlib.compress(json.dumps(value).encode())).decode()


def answer(value: str) -> dict[str, Any]:
    return {"Parameter": {"Name": NAME, "Type": "String", "Value": value}}


class Kept:
    """Takes a parameter's value from the expected request."""

    def __init__(self) -> None:
        self.value = ""

    def __eq__(self, other: object) -> bool:
        self.value = str(other)
        return True

    __hash__ = None  # type: ignore[assignment]


@pytest.mark.parametrize("write", [chalice_state.store, chalice_state.keep])
def test_a_record_that_is_stored_or_kept_is_fetched_as_it_was(
    stubbed: Stubbed, tmp_path: Path, write: Callable[..., None]
) -> None:
    """What is kept also lies where Chalice looks, in place of what was there."""
    ssm, stub = stubbed("ssm")
    stored = write is chalice_state.store
    place(tmp_path).write_text(json.dumps(RECORD) if stored else "of elsewhere")
    kept = Kept()
    stub.add_response("put_parameter", {}, {"Name": NAME, "Value": kept, "Type": "String", "Overwrite": True})
    write(ssm, STAGE, tmp_path, *([] if stored else [RECORD]))
    assert kept.value
    assert json.loads(place(tmp_path).read_text()) == RECORD
    stub.add_response("get_parameter", answer(kept.value), {"Name": NAME})
    assert chalice_state.read(ssm, STAGE) == RECORD


def test_all_that_chalice_may_make_is_expected_before_it_does() -> None:
    found = chalice_state.expecting(None, SCHEDULES, STAGE, WHERE, None)["resources"]
    by_name = {each["name"]: each for each in found}
    names = {spec.name for spec in functions_of(STAGE)}
    assert set(by_name) == {*names, *(f"{name}_role" for name in names), "retry_due-event"}
    assert by_name["destined"]["lambda_arn"] == "arn:aws:lambda:eu-central-1:123456789012:function:herald-dev-destined"
    assert by_name["api_handler"]["lambda_arn"].endswith(":function:herald-dev")
    assert by_name["api_handler_role"]["role_name"] == "herald-dev-api_handler"


def test_what_stands_stays_expected_also_what_this_configuration_would_not_make() -> None:
    known = {"resources": [{"name": "notify_gone", "resource_type": "lambda_function", "lambda_arn": "arn"}]}
    found = {each["name"]: each for each in chalice_state.expecting(known, SCHEDULES, STAGE, WHERE, "abc")["resources"]}
    assert found["notify_gone"]["lambda_arn"] == "arn"
    assert found["rest_api"] == {"name": "rest_api", "resource_type": "rest_api", "rest_api_id": "abc"}
    again = chalice_state.expecting({"resources": list(found.values())}, SCHEDULES, STAGE, WHERE, "abc")
    assert {each["name"]: each for each in again["resources"]} == found


def test_no_record_in_the_account_is_none_and_any_other_refusal_escapes(stubbed: Stubbed) -> None:
    """Else a missing permission would look like a first deployment, and make a second API."""
    ssm, stub = stubbed("ssm")
    stub.add_client_error("get_parameter", "ParameterNotFound")
    assert chalice_state.read(ssm, STAGE) is None
    stub.add_client_error("get_parameter", "AccessDeniedException")
    with pytest.raises(ClientError):
        chalice_state.read(ssm, STAGE)


@pytest.mark.parametrize("content", [None, {}, {"resources": []}])
def test_an_empty_record_is_forgotten(stubbed: Stubbed, tmp_path: Path, content: object) -> None:
    ssm, stub = stubbed("ssm")
    if content is not None:
        place(tmp_path).write_text(json.dumps(content))
    stub.add_response("delete_parameter", {}, {"Name": NAME})
    chalice_state.store(ssm, STAGE, tmp_path)


def test_forgetting_what_is_not_there_is_fine_and_a_refusal_is_not(stubbed: Stubbed) -> None:
    ssm, stub = stubbed("ssm")
    stub.add_client_error("delete_parameter", "ParameterNotFound")
    chalice_state.forget(ssm, STAGE)
    stub.add_client_error("delete_parameter", "AccessDeniedException")
    with pytest.raises(ClientError):
        chalice_state.forget(ssm, STAGE)


def test_a_value_that_was_stored_earlier_is_read(stubbed: Stubbed) -> None:
    ssm, stub = stubbed("ssm")
    stub.add_response("get_parameter", answer(packed(RECORD)), {"Name": ANY})
    assert chalice_state.read(ssm, STAGE) == RECORD


def test_the_rest_apis_id_is_found() -> None:
    assert chalice_state.rest_api_id(RECORD) == "abc123"
    assert chalice_state.rest_api_id({"resources": [{"resource_type": "lambda_function"}]}) is None
    assert chalice_state.rest_api_id({}) is None
    assert chalice_state.rest_api_id(None) is None
