"""Reject what SNS doesn't publish; MiniStack accepts empty messages, empty attributes and any subject.

A message must not be empty. An attribute's "name, type, and value must not be empty or null". A subject is at most 100
ASCII characters, begins with a letter, number or punctuation mark, and has no line breaks or control characters.

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
    """Validate each Publish before anything is delivered."""
    extend(sns, "_publish", _if_valid)


def _if_valid(publish: Callable[[Any], Any], params: Any) -> Any:
    """Publish, or return the error of SNS for an invalid message, subject or attribute."""
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
