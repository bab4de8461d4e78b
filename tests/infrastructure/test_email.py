"""A stage with an e-mail channel, which the project's own ``herald.toml`` has not: policies, imports, templates."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ops.config.loader import StageConfig, load
from ops.generate import render
from ops.generate.check import mistakes, registered_by_app
from tests.infrastructure.test_imports import adapters_of, loaded

CHANNEL = """
[channels.email]
kind = "email"
from = "Herald <herald@example.com>"
to = ["owner@example.org"]
configuration_set = "own"

[stages.local.sites.mailed]
thanks = "http://127.0.0.1:8080/thanks.html"
channels = ["email"]
"""


@pytest.fixture(scope="session")
def checkout(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project whose stage ``local`` has a site with an e-mail channel, rendered."""
    folder = tmp_path_factory.mktemp("mailing")
    for name in ("app.py", "ops", "locks", *(path.name for path in root.glob("requirements*.txt"))):
        (folder / name).symlink_to(root / name)
    shutil.copytree(root / "chalicelib", folder / "chalicelib", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "herald.toml").write_text((root / "herald.toml").read_text(encoding="utf-8") + CHANNEL, encoding="utf-8")
    render.write(folder, render.generated(load(folder)))
    return folder


@pytest.fixture(scope="session")
def stages(checkout: Path) -> dict[str, StageConfig]:
    return load(checkout)


@pytest.mark.full
def test_what_is_generated_is_declared_registered_and_sound(checkout: Path, stages: dict[str, StageConfig]) -> None:
    assert list(mistakes(checkout, stages, {})) == []
    assert "notify_email" in registered_by_app(checkout, "local")


def test_a_stage_without_such_a_site_has_no_such_function(checkout: Path, stages: dict[str, StageConfig]) -> None:
    assert "notify_email" not in registered_by_app(checkout, "dev")
    assert "ses" not in (checkout / "infra/wiring-dev.yaml").read_text()


@pytest.fixture(scope="session")
def modules(checkout: Path) -> set[str]:
    return loaded(checkout, "app.notify_email")


def test_notify_email_has_its_handler_its_adapters_and_its_client_when_it_is_ready(modules: set[str]) -> None:
    assert {name for name in modules if name.startswith("chalicelib.handlers.")} == {"chalicelib.handlers.notify"}
    assert adapters_of(modules) == {"aws", "providers.email"}
    assert "chalicelib.adapters.aws.own_client" in modules


def test_notify_email_loads_neither_http_of_its_own_nor_what_only_some_addresses_need(modules: set[str]) -> None:
    top = {name.partition(".")[0] for name in modules}
    assert not top & {"requests", "urllib3", "idna", "email_validator", "boto3", "pydantic", "ops"}


def test_the_api_function_loads_nothing_more_for_it(checkout: Path) -> None:
    assert not {"chalicelib.logic.notification_mail", "chalicelib.adapters.providers.email"} & loaded(
        checkout, "app.app"
    )
