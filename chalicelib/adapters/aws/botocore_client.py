"""botocore's clients behind the errors of this package. boto3's resources would only make a start longer."""

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
    """A client of a service; where it can't be made, for want of a region, it raises :class:`NotSentError`."""
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
    """A client of botocore or boto3 whose calls raise an :class:`AwsError` alone, and return a streamed payload read.

    Whoever hands a client of their own to an adapter, as a command does, hands it over in this.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        return _translated(found) if name in self._client.meta.method_to_api_mapping else found


def _translated(call: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(call)
    def translated(**request: Any) -> Any:
        try:
            answer = call(**request)
            if hasattr(answer.get("Payload"), "read"):
                answer["Payload"] = io.BytesIO(answer["Payload"].read())
        except (BotoCoreError, ClientError) as error:
            raise _meaning(error) from error
        return answer

    return translated


def _meaning(error: BotoCoreError | ClientError) -> AwsError:
    if isinstance(error, ClientError):
        answer: dict[str, Any] = dict(error.response)
        told, metadata = answer.pop("Error", {}), answer.pop("ResponseMetadata", {})
        code = str(told.get("Code", "ClientError"))
        return ServiceError(code, int(metadata.get("HTTPStatusCode", 0)), str(told.get("Message", "")), answer)
    kind = NotSentError if isinstance(error, _NEVER_ARRIVED) else UnansweredError
    return kind(type(error).__name__)
