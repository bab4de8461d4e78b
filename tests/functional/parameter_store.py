"""Parameter Store, as far as deploying needs it."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError


class ParameterStore:
    def __init__(self) -> None:
        self.values: dict[str, str] = {}

    def put_parameter(self, Name: str, Value: str, **_: Any) -> None:
        assert len(Value) <= 4096, "what a standard parameter holds"
        self.values[Name] = Value

    def get_parameter(self, Name: str) -> dict[str, Any]:
        return {"Parameter": {"Value": self._found(Name)}}

    def delete_parameter(self, Name: str) -> None:
        self._found(Name)
        del self.values[Name]

    def _found(self, name: str) -> str:
        if name not in self.values:
            raise ClientError({"Error": {"Code": "ParameterNotFound"}}, "GetParameter")
        return self.values[name]
