"""The directory of a stage in Parameter Store: where its functions, topic, bus, table and API are."""

from __future__ import annotations

from typing import Any

from chalicelib.function_spec import FunctionSpec
from chalicelib.settings import Stage
from ops.naming import RESOURCES, directory_entry
from ops.templates.common_resources import local_arn

API_ADDRESS = "ApiAddress"
"""The parameter with the address of the API, which the deployment knows once Chalice has made it."""


def resource_entries(stage: Stage) -> dict[str, Any]:
    """Where the topic, the bus, the table and the API are."""
    values: dict[str, Any] = {
        "topic": local_arn("sns", stage.topic),
        "bus": local_arn("events", f"event-bus/{stage.bus}"),
        "table": local_arn("dynamodb", f"table/{stage.table}"),
        "api": {"Ref": API_ADDRESS},
    }
    return {
        f"{name.capitalize()}Entry": entry(directory_entry(stage, name), f"Where the stage's {name} is", values[name])
        for name in RESOURCES
    }


def function_entry(spec: FunctionSpec, stage: Stage) -> dict[str, Any]:
    """Where a function is, for programs that are granted it."""
    name = f"{stage.parameters}/functions/{spec.name}"
    value = local_arn("lambda", f"function:{stage.function(spec.name)}")
    return entry(name, f"Where {spec.name} is, for programs that are granted it", value)


def entry(name: str, description: str, value: Any) -> dict[str, Any]:
    """One parameter of the directory."""
    return {
        "Type": "AWS::SSM::Parameter",
        "Properties": {"Name": name, "Type": "String", "Description": description, "Value": value},
    }
