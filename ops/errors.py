"""The error that ends a command with a message for a person, and helpers for other errors."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from botocore.exceptions import ClientError


class OpsError(Exception):
    """A failure whose message says what went wrong and what to do about it."""


@contextmanager
def ignoring_aws_error(code: str) -> Iterator[None]:
    """Ignore an error of AWS with this code, such as that something already exists or is already deleted."""
    try:
        yield
    except ClientError as error:
        if error.response["Error"]["Code"] != code:
            raise


def short_traceback(text: str, root: Path) -> str:
    """Shorten the traceback in a program's output to the error, and to the place in the person's own code below
    ``root``, if there is one. A text without a traceback is returned unchanged."""
    _, found, rest = text.rpartition("Traceback (most recent call last):\n")
    own = list(
        re.finditer(
            rf'^  File "{re.escape(str(root.resolve()))}/((?:app|chalicelib|vendor)\b.*)", (line \d+).*\n', text, re.M
        )
    )
    if own:
        rest = text[own[-1].end() :]
    elif not found:
        return text.strip()
    error = re.search(r"^\S.*(?:\n.+)*", rest, re.M)
    if not error:
        return text.strip()
    if not own:  # To the end: Chalice writes AWS's reason below an empty line.
        return re.sub(r"\n\s*\n", "\n", rest[error.start() :].strip())
    code = [line for line in rest[: error.start()].partition("  File ")[0].splitlines() if line.strip()]
    return "\n".join([f"{own[-1][1]}, {own[-1][2]}:", *code, error[0].strip()])
