"""Chalice's own command line, with what a deployment needs to be safe to repeat.

Run as a program, with Chalice's words as arguments, in the project's folder. Against chalice 1.34.0:

- Chalice writes down what it deployed only when all of it succeeded; a failure half way would leave a REST API that no
  record knows, and the next run would make a second one. Here what was made until then is recorded too.
- `chalice delete` fails at what is gone already; here that is no error.
- Chalice's exit status is 0 whatever happened; here it is Chalice's own word for it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

# The project's own app.py is imported, and nothing of this folder.
sys.path[0] = str(Path.cwd())

from botocore.exceptions import ClientError  # noqa: E402
from chalice import awsclient  # noqa: E402
from chalice.cli import main  # noqa: E402
from chalice.deploy import deployer  # noqa: E402

DELETIONS = (
    "delete_function",
    "delete_rest_api",
    "delete_role",
    "unsubscribe_from_topic",
    "remove_permission_for_sns_topic",
)
GONE = ("NoSuchEntity", "NotFound", "NotFoundException", "ResourceNotFoundException")
"""How AWS services say that a thing is not there."""


class RecordingDeployer(deployer.Deployer):
    """Records also what a failed deployment has made."""

    def _deploy(self, config: Any, chalice_stage_name: str) -> Any:
        try:
            return super()._deploy(config, chalice_stage_name)
        except BaseException:
            made = {each["name"]: each for each in self._executor.resource_values}
            if made:
                known = config.deployed_resources(chalice_stage_name)
                before = {name: known.resource_values(name) for name in known.resource_names()}
                resources = [{**before.get(name, {}), **made.get(name, {})} for name in {**before, **made}]
                results = {"resources": resources, "schema_version": "2.0", "backend": self.BACKEND_NAME}
                self._recorder.record_results(results, chalice_stage_name, config.project_dir)
            raise


def unless_gone(delete: Callable[..., Any]) -> Callable[..., Any]:
    """The same deletion, to which it is no error when there is nothing to delete."""

    def deletion(*arguments: Any, **more: Any) -> Any:
        try:
            return delete(*arguments, **more)
        except awsclient.ResourceDoesNotExistError:
            return None
        except ClientError as error:
            if error.response["Error"]["Code"] not in GONE:
                raise
            return None

    return deletion


if __name__ == "__main__":
    setattr(deployer, "Deployer", RecordingDeployer)  # noqa: B010 - mypy takes a class for a constant
    for name in DELETIONS:
        setattr(awsclient.TypedAWSClient, name, unless_gone(getattr(awsclient.TypedAWSClient, name)))
    sys.exit(main())
