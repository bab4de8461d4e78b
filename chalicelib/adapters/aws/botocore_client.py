"""botocore's clients, raising the errors of this package."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import cache, wraps
from typing import Any

from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
)
from botocore.session import Session, get_session

from chalicelib.adapters.aws.errors import AwsError, NotSentError, ServiceError, UnansweredError

_NEVER_ARRIVED = (EndpointConnectionError, ConnectTimeoutError, NoCredentialsError)


@cache
def _session() -> Session:
    return get_session()


def client(service: str, connect: float, read: float, attempts: int) -> Any:
    """Make a client of a service; raises :class:`NotSentError` where no region is configured."""
    config = Config(
        connect_timeout=connect,
        read_timeout=read,
        retries={"mode": "standard", "total_max_attempts": attempts},
    )
    try:
        return Sdk(_session().create_client(service, config=config))
    except BotoCoreError as error:
        raise NotSentError(type(error).__name__) from error


class Sdk:
    """Wraps a client of botocore or boto3 for adapters: its calls raise an :class:`AwsError`, and a payload is read."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._client, name)
        return _translated(attribute) if name in self._client.meta.method_to_api_mapping else attribute


def _translated(call: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(call)
    def translated(**request: Any) -> Any:
        try:
            answer = call(**request)
            for name in ("Payload", "Body"):
                if hasattr(answer.get(name), "read"):
                    answer[name] = io.BytesIO(answer[name].read())
        except (BotoCoreError, ClientError) as error:
            raise _meaning(error) from error
        return answer

    return translated


def _meaning(error: BotoCoreError | ClientError) -> AwsError:
    if isinstance(error, ClientError):
        answer: dict[str, Any] = dict(error.response)
        details, metadata = answer.pop("Error", {}), answer.pop("ResponseMetadata", {})
        code = str(details.get("Code", "ClientError"))
        return ServiceError(code, int(metadata.get("HTTPStatusCode", 0)), str(details.get("Message", "")), answer)
    kind = NotSentError if isinstance(error, _NEVER_ARRIVED) else UnansweredError
    return kind(type(error).__name__)
