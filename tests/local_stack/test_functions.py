"""States of a function, sizes of events, limits of a message, batches of parameters.

function_state.py, event_size.py, sns_limits.py and parameter_batch.py of ops/local/aws.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from tests.local_stack.local_aws import PATIENCE, LocalAws, allow, packed, wait_for


def test_a_function_is_active_once_it_is_created_and_updated_once_it_is_changed(aws: LocalAws) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html"""
    client, function = aws.client("lambda"), aws.function("def handler(event, context): pass")
    configuration = client.get_function_configuration(FunctionName=function)
    assert (configuration["State"], configuration["LastUpdateStatus"]) == ("Active", "Successful")
    client.update_function_configuration(FunctionName=function, Timeout=7)
    assert client.get_function_configuration(FunctionName=function)["LastUpdateStatus"] == "Successful"


WAITS = """
import os, pathlib, time
def handler(event, context):
    pathlib.Path(event["began"]).touch()
    while not pathlib.Path(event["go_on"]).exists():
        time.sleep(0.01)
    return ["old", os.getpid()]
"""


@pytest.mark.parametrize("change", ["code", "configuration"])
def test_an_event_that_is_being_handled_ends_with_the_code_it_began_with(
    aws: LocalAws, tmp_path: Path, change: str
) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html"""
    client, function, began, go_on = aws.client("lambda"), aws.function(WAITS), tmp_path / "began", tmp_path / "go_on"
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(aws.invoke, function, {"began": str(began), "go_on": str(go_on)})
        wait_for(began.exists)
        if change == "code":
            client.update_function_code(FunctionName=function, ZipFile=packed("def handler(*_): return 'new'"))
            assert aws.invoke(function) == ("new", None)
        else:
            client.update_function_configuration(FunctionName=function, MemorySize=256)
        assert not first.done()
        go_on.touch()
        (answer, process), error = first.result(PATIENCE)
    assert (answer, error) == ("old", None)
    wait_for(lambda: not Path(f"/proc/{process}").exists())


WHERE = """
import os
def handler(event, context):
    return os.path.realpath(os.environ["LAMBDA_TASK_ROOT"]), __file__, os.getcwd()
"""


def test_workers_of_one_package_share_its_files_until_none_uses_them(aws: LocalAws) -> None:
    client, first, second = aws.client("lambda"), aws.function(WHERE), aws.function(WHERE)
    (files, main, current), _ = aws.invoke(first)
    assert Path(main).name == "main.py"
    assert Path(main).resolve().parent == Path(current).resolve() == Path(files)
    assert aws.invoke(second)[0][0] == files
    client.update_function_code(FunctionName=first, ZipFile=packed(f"{WHERE}# Another."))
    others = aws.invoke(first)[0][0]
    assert Path(files).exists(), "the second function's worker uses them"
    assert (Path(files) / "main.py").read_text() != (Path(others) / "main.py").read_text()
    client.delete_function(FunctionName=second)
    aws.invoke(aws.function(f"{WHERE}# A third."))
    assert not Path(files).exists()
    assert Path(others).exists()


def entry(size: int, **more: object) -> dict[str, object]:
    """An entry of exactly this size; multi-byte characters count as bytes, Time as 14."""
    known = len("shop") + len("order") + len("arn:x") + (14 if "Time" in more else 0)
    rest = size - known - len('{"t":"é"}'.encode())
    detail = '{"t":"é' + "x" * rest + '"}'
    return {"Source": "shop", "DetailType": "order", "Resources": ["arn:x"], "Detail": detail, **more}


@pytest.mark.parametrize("more", [{}, {"Time": 1}])
def test_an_entry_of_256_kb_is_too_large(aws: LocalAws, more: dict[str, object]) -> None:
    """https://docs.aws.amazon.com/eventbridge/latest/userguide/calculate-putevents-entry-size.html"""
    events = aws.client("events")
    assert events.put_events(Entries=[entry(256 * 1024 - 1, **more)])["FailedEntryCount"] == 0
    with pytest.raises(ClientError) as refused:
        events.put_events(Entries=[entry(256 * 1024, **more)])
    assert refused.value.response["Error"]["Code"] == "ValidationException"


EMPTY = {"DataType": "String", "StringValue": ""}


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"Message": ""}, "InvalidParameter"),
        ({"Message": "m", "Subject": "a\nb"}, "InvalidParameter"),
        ({"Message": "m", "Subject": "x" * 101}, "InvalidParameter"),
        ({"Message": "m", "Subject": "é"}, "InvalidParameter"),
        ({"Message": "m", "MessageAttributes": {"a": EMPTY}}, "ParameterValueInvalid"),
    ],
)
def test_sns_refuses_what_its_reference_excludes(aws: LocalAws, message: dict[str, object], code: str) -> None:
    """https://docs.aws.amazon.com/sns/latest/api/API_Publish.html"""
    topic, _ = aws.topic()
    with pytest.raises(ClientError) as refused:
        aws.client("sns").publish(TopicArn=topic, **message)
    assert refused.value.response["Error"]["Code"] == code
    assert aws.client("sns").publish(TopicArn=topic, Message="m", Subject="x" * 100)["MessageId"]


READS = """
import boto3
def handler(event, context):
    found = boto3.client("ssm").get_parameters(Names=event, WithDecryption=True)
    return [each["Value"] for each in found["Parameters"]]
"""


def test_a_batch_of_parameters_needs_each_of_them_in_the_policy(aws: LocalAws) -> None:
    """https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssystemsmanager.html"""
    for name in ("a", "b"):
        aws.client("ssm").put_parameter(Name=f"/batch/{name}", Value=name, Type="SecureString")
    arns = [f"arn:aws:ssm:us-east-1:000000000000:parameter/batch/{name}" for name in ("a", "b")]
    both, one = (aws.function(READS, allow("ssm:GetParameters", some)) for some in (arns, arns[:1]))
    assert aws.invoke(both, ["/batch/a", "/batch/b"]) == (["a", "b"], None)
    payload, error = aws.invoke(one, ["/batch/a", "/batch/b"])
    assert error == "Unhandled"
    assert "ssm:GetParameters" in payload["errorMessage"]
