"""The stage that a process runs for: ``HERALD_STAGE`` selects it from the compiled settings."""

from __future__ import annotations

from collections.abc import Mapping

from chalicelib.settings import SettingsError, Stage, required
from chalicelib.stages import STAGES


def current_stage(environ: Mapping[str, str]) -> Stage:
    """The stage of this environment; raises :class:`SettingsError` where ``HERALD_STAGE`` is missing or wrong."""
    return stage_named(required(environ, "HERALD_STAGE", "the name of a stage in herald.toml"))


def stage_named(name: str) -> Stage:
    """The compiled settings of a stage; raises :class:`SettingsError` for a stage that ``herald.toml`` lacks."""
    try:
        return STAGES[name]
    except KeyError:
        raise SettingsError(
            f"HERALD_STAGE is {name!r}, but herald.toml has only: {', '.join(sorted(STAGES))}. "
            "Add the stage there and run: ./herald render"
        ) from None
