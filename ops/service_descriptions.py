"""Share botocore's descriptions of AWS's services between the sessions of a process: reading them is slow."""

from __future__ import annotations

from functools import cache

from botocore.loaders import Loader, create_loader
from botocore.session import Session


def sharing_descriptions(session: Session) -> Session:
    """Let a session use the descriptions that others have read; returns the session."""
    session.register_component("data_loader", _loader(session.get_config_variable("data_path")))
    return session


@cache
def _loader(data_path: str | None) -> Loader:
    return create_loader(data_path)
