"""botocore's descriptions of AWS, read once for all sessions of a process: that takes longer than to ask AWS."""

from __future__ import annotations

from functools import cache

from botocore.loaders import Loader, create_loader
from botocore.session import Session


def sharing_descriptions(session: Session) -> Session:
    """Let a session use what others have read; returns it."""
    session.register_component("data_loader", _loader(session.get_config_variable("data_path")))
    return session


@cache
def _loader(data_path: str | None) -> Loader:
    return create_loader(data_path)
