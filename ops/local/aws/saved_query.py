"""Accept saved queries of CloudWatch Logs Insights in templates; MiniStack's CloudFormation refuses them.

Nothing is stored: nobody asks the local AWS for them.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-logs-querydefinition.html
"""

from __future__ import annotations

import importlib
import uuid
from typing import Any

EXTENDS = ("ministack.services.cloudformation.provisioners:_RESOURCE_HANDLERS",)

_provisioners: Any = importlib.import_module("ministack.services.cloudformation.provisioners")


def install() -> None:
    """Add the resource type."""
    _provisioners._RESOURCE_HANDLERS["AWS::Logs::QueryDefinition"] = {
        "create": lambda logical_id, properties, stack: (str(uuid.uuid4()), {}),
        "update": lambda physical_id, old, new, *rest: (physical_id, {}),
        "delete": lambda physical_id, properties: None,
    }
