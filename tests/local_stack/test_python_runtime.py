"""What a function's code sees and how its failures are reported (ops/local/aws/python_runtime.py)."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from chalicelib.adapters.aws.environment import endpoint
from ops.local.runtime_packages import RUNTIME_PACKAGES
from tests.local_stack.local_aws import LocalAws, sample

RAISES = """
ACTIONS = {}
runs = []
def handler(event, context):
    runs.append(1)
    if event == "runs":
        return len(runs)
    result = ACTIONS[event['action']](event['number'])
"""


def test_an_exception_is_reported_as_in_aws_example_and_its_environment_serves_on(aws: LocalAws) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html: it is reused."""
    expected, function = sample("function-error"), aws.function(RAISES)
    payload, error = aws.invoke(function, {})

    assert error == "Unhandled"
    assert payload.pop("requestId")
    assert payload.keys() == expected.keys()
    assert (payload["errorMessage"], payload["errorType"]) == (expected["errorMessage"], expected["errorType"])
    (frame,) = payload["stackTrace"]
    place, line = r'  File ".*/%s\.py", line \d+, in %s\n', r"    result = ACTIONS\[event\['action'\]\].*\n"
    assert re.match(place % ("main", "handler") + line, frame)
    assert re.match(place % ("lambda_function", "lambda_handler") + line, expected["stackTrace"][0])
    assert aws.invoke(function, "runs") == (2, None)


@pytest.mark.parametrize(
    ("source", "case"),
    [
        ("from PIL import _imaging_that_is_not_there", "import"),
        ("def handler(event, context): return AttributeError()", "marshal"),
    ],
)
def test_runtime_errors_are_reported_as_in_aws_examples(aws: LocalAws, source: str, case: str) -> None:
    expected = sample("runtime-errors")[case]
    payload, error = aws.invoke(aws.function(source))
    assert error == "Unhandled"
    assert payload["errorType"] == expected["errorType"]
    message, wanted = (text.split(":")[0] for text in (payload["errorMessage"], expected["errorMessage"]))
    assert message.replace("main", "lambda_function") == wanted
    assert payload["stackTrace"] == []


def test_a_time_out_is_reported_as_in_aws_example(aws: LocalAws) -> None:
    expected = sample("runtime-errors")["timeout"]
    function = aws.function("import time\ndef handler(e, c):\n    print('begun')\n    time.sleep(9)", Timeout=1)

    payload, error = aws.invoke(function)

    assert error == "Unhandled"
    assert payload.keys() == expected.keys()
    assert payload["errorType"] == expected["errorType"]
    masked = re.sub(r"[0-9a-f-]{36}", "ID", payload["errorMessage"]).replace("1.00", "3.00")
    assert masked == re.sub(r"[0-9a-f-]{36}", "ID", expected["errorMessage"])
    assert "begun" in aws.log(function)


def test_a_process_that_ends_is_an_exit_error(aws: LocalAws) -> None:
    payload, error = aws.invoke(aws.function("import os\ndef handler(e, c): os._exit(1)"))
    assert (payload["errorType"], error) == ("Runtime.ExitError", "Unhandled")
    assert re.match(r"RequestId: [0-9a-f-]{36} Error: Runtime exited", payload["errorMessage"])


SHOWS = """
import os
begun = dict(os.environ)
SHOWN = ("aws_request_id", "function_name", "function_version", "memory_limit_in_mb", "invoked_function_arn",
    "log_group_name")
def handler(event, context):
    print('{"level": "INFO"}')
    shown = {name: getattr(context, name) for name in SHOWN} | {"left": context.get_remaining_time_in_millis()}
    return {"environment": dict(os.environ), "begun": begun, "context": shown}
"""


LEAD_TO_OTHER_KEYS = ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE", "AWS_PROFILE", "AWS_CREDENTIAL_EXPIRATION")
"""Variables that a stage may have for Chalice's own commands; a function has its role's keys alone."""


@pytest.fixture(scope="module")
def shown(aws: LocalAws) -> dict[str, Any]:
    """What a function with variables of its own sees."""
    role = aws.role()
    variables = {
        "OWN": "1",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_ACCESS_KEY_ID": "AKIDOFTHESTAGE",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_SESSION_TOKEN": "x",
        "AWS_LAMBDA_FUNCTION_NAME": "other",
        "_HANDLER": "other",
        **dict.fromkeys(LEAD_TO_OTHER_KEYS, "/credentials"),
    }
    function = aws.function(SHOWS, Role=role, MemorySize=256, Timeout=5, Environment={"Variables": variables})
    payload, error = aws.invoke(function)
    assert error is None
    return {**payload, "arn": function, "role": role}


def test_the_runtime_sets_what_a_function_can_not(aws: LocalAws, shown: dict[str, Any]) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime"""
    name = shown["arn"].rsplit(":", 1)[-1]
    expected = {
        "OWN": "1",
        "_HANDLER": "main.handler",
        "AWS_ENDPOINT_URL": aws.endpoint,
        "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
        "AWS_LAMBDA_FUNCTION_NAME": name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{name}",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "TZ": ":UTC",
    }
    for environment in (shown["begun"], shown["environment"]):
        assert {key: environment.get(key) for key in expected} == expected
        assert environment["AWS_ACCESS_KEY_ID"].startswith("ASIA")
        assert environment["LAMBDA_TASK_ROOT"]


def test_a_function_does_not_see_the_machine(shown: dict[str, Any]) -> None:
    inherited = {"AUTH", "GATEWAY_PORT", "STATE_DIR", "HERALD_LOCAL_RETRY_SECONDS", "USER", "PWD", "OLDPWD"}
    assert inherited.isdisjoint(shown["environment"])


def test_nothing_in_a_functions_environment_makes_botocore_answer_in_the_place_of_our_client(
    shown: dict[str, Any],
) -> None:
    for environment in (shown["begun"], shown["environment"]):
        endpoint(environment, "sns", "SNS", "sns")
        assert not {*LEAD_TO_OTHER_KEYS} & {*environment}


MACHINE = """
import sys
loaded = set(sys.modules)
import importlib.util, os
import botocore.session
def handler(event, context):
    return {
        "loaded": sorted(name for name in loaded if name.split(".")[0] in ("botocore", "boto3", "site", "urllib3")),
        "profiles": botocore.session.get_session().full_config["profiles"],
        "home": os.listdir(os.path.expanduser("~")),
        "found": {name: getattr(importlib.util.find_spec(name), "origin", "") for name in event},
        "path": sys.path,
    }
"""


def test_a_function_finds_no_profile_of_the_person_and_no_package_but_its_own_and_lambdas(aws: LocalAws) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/lambda-python.html: the runtime brings boto3."""
    function = aws.function(MACHINE, Timeout=20)
    checkouts = ("click", "chalice", "pydantic", "pytest", "requests", "ministack", "ops", "pip", "_worker")
    told, error = aws.invoke(function, [*checkouts, *RUNTIME_PACKAGES, "main"])
    assert error is None, told
    assert (told["profiles"], told["home"], told["loaded"]) == ({}, [], [])
    assert {name for name, origin in told["found"].items() if origin} == {*RUNTIME_PACKAGES, "main"}
    assert not [folder for folder in told["path"] if "site-packages" in folder or not folder]


def test_the_context_is_the_one_of_the_runtime(shown: dict[str, Any]) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/python-context.html"""
    context = dict(shown["context"])
    assert 0 < context.pop("left") <= 5000
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", context.pop("aws_request_id"))
    name = shown["arn"].rsplit(":", 1)[-1]
    assert context == {
        "function_name": name,
        "function_version": "$LATEST",
        "memory_limit_in_mb": "256",
        "invoked_function_arn": shown["arn"],
        "log_group_name": f"/aws/lambda/{name}",
    }


def test_a_role_that_may_not_log_does_not(aws: LocalAws, shown: dict[str, Any]) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/lambda-intro-execution-role.html (log_permission.py)"""
    assert aws.log(shown["arn"]) == []


def test_output_is_in_the_log_when_the_answer_is_there(aws: LocalAws) -> None:
    function = aws.function("def handler(event, context):\n    print('{\"n\": 1}')\n    raise KeyError('k')")
    payload, _ = aws.invoke(function)
    log = aws.log(function)
    assert json.loads(log[1]) == {"n": 1}
    assert log[2] == "[ERROR] KeyError: 'k'"
    assert log[0].startswith(f"START RequestId: {payload['requestId']}")
    assert log[-1].startswith(f"REPORT RequestId: {payload['requestId']}")
