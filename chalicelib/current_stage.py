"""Select the settings of the stage that ``HERALD_STAGE`` names."""

from __future__ import annotations

from collections.abc import Mapping

from chalicelib.settings import SettingsError, Stage, required
from chalicelib.stages import STAGES


def current_stage(environ: Mapping[str, str]) -> Stage:
    """Return the stage of an environment; raises :class:`SettingsError` where ``HERALD_STAGE`` is missing or wrong."""
    return stage_named(required(environ, "HERALD_STAGE", "the name of a stage in herald.toml"))


def stage_named(name: str) -> Stage:
    """Return the settings of a stage; raises :class:`SettingsError` for one that ``herald.toml`` lacks."""
    try:
        return STAGES[name]
    except KeyError:
        raise SettingsError(
            f"HERALD_STAGE is {name!r}, but herald.toml has only: {', '.join(sorted(STAGES))}. "
            "Add the stage there and run: ./herald render"
        ) from None
