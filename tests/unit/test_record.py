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

from ops import record
from tests.fakes import stage

Stubbed = Callable[[str], tuple[Any, Stubber]]
STAGE = stage("dev")
NAME = "/herald/dev/deployed"
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


def test_a_record_that_is_stored_is_fetched_as_it_was(stubbed: Stubbed, tmp_path: Path) -> None:
    ssm, stub = stubbed("ssm")
    here, there = tmp_path / "here", tmp_path / "there"
    place(here).write_text(json.dumps(RECORD))
    kept = Kept()
    stub.add_response("put_parameter", {}, {"Name": NAME, "Value": kept, "Type": "String", "Overwrite": True})
    record.store(ssm, STAGE, here)
    assert kept.value
    stub.add_response("get_parameter", answer(kept.value), {"Name": NAME})
    assert record.fetch(ssm, STAGE, there) is True
    assert json.loads(place(there).read_text()) == RECORD


def test_a_large_record_fits_a_free_parameter(stubbed: Stubbed, tmp_path: Path) -> None:
    """A standard parameter holds 4 KB:
    https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-advanced-parameters.html"""
    ssm, stub = stubbed("ssm")
    arns = "arn:aws:lambda:eu-central-1:123456789012:function:herald-dev-"
    resources = [
        {"name": f"notify_{n}", "resource_type": "lambda_function", "lambda_arn": f"{arns}notify_{n}"}
        for n in range(30)
    ]
    place(tmp_path).write_text(json.dumps({"resources": resources, "schema_version": "2.0"}))
    kept = Kept()
    stub.add_response("put_parameter", {}, {"Name": NAME, "Value": kept, "Type": "String", "Overwrite": True})
    record.store(ssm, STAGE, tmp_path)
    assert len(kept.value) <= 4096


def test_without_a_record_in_the_account_what_lies_there_from_elsewhere_goes(stubbed: Stubbed, tmp_path: Path) -> None:
    ssm, stub = stubbed("ssm")
    place(tmp_path).write_text(json.dumps(RECORD))
    stub.add_client_error("get_parameter", "ParameterNotFound")
    assert record.fetch(ssm, STAGE, tmp_path) is False
    assert not place(tmp_path).exists()


def test_any_other_refusal_escapes_and_touches_nothing(stubbed: Stubbed, tmp_path: Path) -> None:
    """Else a missing permission would look like a first deployment, and make a second API."""
    ssm, stub = stubbed("ssm")
    place(tmp_path).write_text(json.dumps(RECORD))
    stub.add_client_error("get_parameter", "AccessDeniedException")
    with pytest.raises(ClientError):
        record.fetch(ssm, STAGE, tmp_path)
    assert place(tmp_path).exists()


@pytest.mark.parametrize("content", [None, {}, {"resources": []}])
def test_an_empty_record_is_forgotten(stubbed: Stubbed, tmp_path: Path, content: object) -> None:
    ssm, stub = stubbed("ssm")
    if content is not None:
        place(tmp_path).write_text(json.dumps(content))
    stub.add_response("delete_parameter", {}, {"Name": NAME})
    record.store(ssm, STAGE, tmp_path)


def test_forgetting_what_is_not_there_is_fine_and_a_refusal_is_not(stubbed: Stubbed) -> None:
    ssm, stub = stubbed("ssm")
    stub.add_client_error("delete_parameter", "ParameterNotFound")
    record.forget(ssm, STAGE)
    stub.add_client_error("delete_parameter", "AccessDeniedException")
    with pytest.raises(ClientError):
        record.forget(ssm, STAGE)


def test_a_value_that_was_stored_earlier_is_read(stubbed: Stubbed) -> None:
    ssm, stub = stubbed("ssm")
    stub.add_response("get_parameter", answer(packed(RECORD)), {"Name": ANY})
    assert record.read(ssm, STAGE) == RECORD


def test_the_rest_apis_id_is_found() -> None:
    assert record.rest_api_id(RECORD) == "abc123"
    assert record.rest_api_id({"resources": [{"resource_type": "lambda_function"}]}) is None
    assert record.rest_api_id({}) is None
    assert record.rest_api_id(None) is None
