"""What SNS refuses to publish.

API reference, Publish and MessageAttributeValue: a message isn't empty; of an attribute, "name, type, and value
must not be empty or null"; a subject is ASCII that begins with a letter, number or punctuation mark, has no line
breaks or control characters, and is at most 100 characters long.

https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
https://docs.aws.amazon.com/sns/latest/api/API_MessageAttributeValue.html
https://docs.aws.amazon.com/sns/latest/dg/sns-message-attributes.html
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from ops.local.aws.ministack_modules import extend, sns

EXTENDS = (
    "ministack.services.sns:_error",
    "ministack.services.sns:_p",
    "ministack.services.sns:_parse_message_attributes",
    "ministack.services.sns:_publish",
)

_SUBJECT = re.compile(r"[!-~][ -~]{0,99}")


def install() -> None:
    """Refuse before anything is delivered."""
    extend(sns, "_publish", _if_valid)


def _if_valid(publish: Callable[[Any], Any], params: Any) -> Any:
    subject = sns._p(params, "Subject")
    if not sns._p(params, "Message"):
        return sns._error("InvalidParameter", "Invalid parameter: Empty message", 400)
    if subject and not _SUBJECT.fullmatch(subject):
        return sns._error("InvalidParameter", "Invalid parameter: Subject", 400)
    for name, value in sns._parse_message_attributes(params).items():
        if not value.get("DataType") or not (value.get("StringValue") or value.get("BinaryValue")):
            return sns._error(
                "ParameterValueInvalid",
                f"The message attribute '{name}' must contain non-empty message attribute value for message "
                f"attribute type '{value.get('DataType')}'.",
                400,
            )
    return publish(params)
