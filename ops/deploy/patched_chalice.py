"""Chalice's command line as a deployment needs it: run as a program in the project's folder, with Chalice's arguments.

What it changes of chalice 1.34.0:

- **Record.** Chalice records what it deployed only when everything succeeded. Here a failed deployment is recorded too;
  else the next run would make a second REST API.
- **Repeat.** Chalice fails to delete what is already gone. Here that is no error. Chalice updates a function that is
  still being created. Here it waits.
- **X-Ray.** Chalice can switch tracing on, not off. Here a stage without it is not traced.
- **New things.** AWS may not know for some seconds what was just made. Here such calls are repeated.
- **Boundary.** ``--within ARN`` before Chalice's arguments gives every role this permissions boundary.
- **End.** ``--until-stdin-closes`` before Chalice's arguments ends the process with the one that started it.
- **Rollback.** ``--kept`` before Chalice's arguments deploys a kept release by its description (app_description.py),
  without running its code.
- **Manifest.** A function that only one of ``app.py`` and the manifest has is an error.
- **Exit status.** Chalice's own is always 0. Here it tells whether the command succeeded.
- **Zip.** lambda_zip.py. ``--package`` alone makes the zip and prints its name.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

# First the project's own app.py; for a kept release no code of its folder. Last this checkout, for modules of ops.
sys.path[:1] = [] if "--kept" in sys.argv else [str(Path.cwd())]
sys.path.append(str(Path(__file__).resolve().parents[2]))

from botocore.exceptions import ClientError  # noqa: E402
from chalice import app, awsclient  # noqa: E402
from chalice.cli import factory, main  # noqa: E402
from chalice.deploy import deployer  # noqa: E402

from ops.aws.eventual_consistency import repeat_for_what_is_new  # noqa: E402
from ops.deploy.app_description import described, description_file, rebuilt  # noqa: E402
from ops.deploy.lambda_zip import KeptPackager, LeanPackager, LockedDependencies, project_packager  # noqa: E402
from ops.generate.registered_functions import registered, undeclared  # noqa: E402

DELETIONS = (
    "delete_function",
    "delete_rest_api",
    "delete_role",
    "delete_rule",
    "unsubscribe_from_topic",
    "remove_permission_for_sns_topic",
)
GONE = ("NoSuchEntity", "NotFound", "NotFoundException", "ResourceNotFoundException")
"""The error codes by which AWS's services say that something does not exist."""


class RecordingDeployer(deployer.Deployer):
    """Writes a description of the app, and records what a failed deployment made.

    Refuses to deploy where ``app.py`` and the manifest differ.
    """

    def _validate_config(self, config: Any) -> None:
        declared = config.config_from_disk["stages"][config.chalice_stage].get("lambda_functions", {})
        if mistakes := undeclared(registered(config.chalice_app), set(declared)):
            raise RuntimeError("\n".join(mistakes))
        super()._validate_config(config)

    def _deploy(self, config: Any, chalice_stage_name: str) -> Any:
        described_at = description_file(chalice_stage_name)
        described_at.parent.mkdir(parents=True, exist_ok=True)
        described_at.write_text(json.dumps(described(config.chalice_app)), encoding="utf-8")
        try:
            return super()._deploy(config, chalice_stage_name)
        except BaseException:
            made = {resource["name"]: resource for resource in self._executor.resource_values}
            if made:
                known = config.deployed_resources(chalice_stage_name)
                before = {name: known.resource_values(name) for name in known.resource_names()}
                resources = [{**before.get(name, {}), **made.get(name, {})} for name in {**before, **made}]
                results = {"resources": resources, "schema_version": "2.0", "backend": self.BACKEND_NAME}
                self._recorder.record_results(results, chalice_stage_name, config.project_dir)
            raise


def ignoring_what_is_gone(delete: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a deletion: where there is nothing to delete, it raises no error.

    It is tried twice: the first time only a part may be gone, such as a role's policy, after a lost answer.
    """

    def deletion(*arguments: Any, **more: Any) -> Any:
        for _ in range(2):
            try:
                return delete(*arguments, **more)
            except awsclient.ResourceDoesNotExistError:
                pass
            except ClientError as error:
                if error.response["Error"]["Code"] not in GONE:
                    raise
        return None

    return deletion


def waiting_until_ready(update: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a change of a function: it is made once the function is ready.

    Lambda refuses it while another change is in progress. A function takes it that is Inactive, as one idle for weeks,
    and one whose last update failed.
    https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html"""

    def change(client: Any, function_name: str, *arguments: Any, **more: Any) -> Any:
        functions = client._client("lambda")
        found = functions.get_function(FunctionName=function_name)["Configuration"]
        # The waiters would wait for an Inactive one until they give up, and call a failed update a failure.
        if found.get("State") == "Pending":
            functions.get_waiter("function_active_v2").wait(FunctionName=function_name)
        if found.get("LastUpdateStatus") == "InProgress":
            functions.get_waiter("function_updated_v2").wait(FunctionName=function_name)
        return update(client, function_name, *arguments, **more)

    return change


def with_tracing_set(change: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a change of a function's settings: settings without X-Ray switch tracing off."""

    def configure(client: Any, function_name: str, settings: dict[str, Any]) -> Any:
        return change(client, function_name, {"TracingConfig": {"Mode": "PassThrough"}, **settings})

    return configure


def with_boundary(boundary: str, client: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap the method that makes clients: IAM's gives the boundary to every role, new or existing."""

    def make(self: Any, service_name: str) -> Any:
        new = service_name not in self._client_cache
        made = client(self, service_name)
        if new and service_name == "iam":

            def create(params: dict[str, Any], **_: Any) -> None:
                params["PermissionsBoundary"] = boundary

            def put(params: dict[str, Any], **_: Any) -> None:
                made.put_role_permissions_boundary(RoleName=params["RoleName"], PermissionsBoundary=boundary)

            made.meta.events.register("provide-client-params.iam.CreateRole", create)
            made.meta.events.register("provide-client-params.iam.PutRolePolicy", put)
        return made

    return make


def repeating_for_what_is_new(make: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap the function that makes the session: its clients repeat calls for something new."""

    def session(**options: Any) -> Any:
        return repeat_for_what_is_new(make(**options))

    return session


def load_kept(self: Any, environment_variables: Any = None, validate_feature_flags: Any = True) -> app.Chalice:
    """Rebuild the app from its description instead of importing it."""
    return rebuilt(json.loads(description_file(environment_variables["HERALD_STAGE"]).read_text(encoding="utf-8")))


def end_with_standard_input() -> None:
    """End this process when the one that started it is gone, as two must never deploy at the same time."""

    def watch() -> None:
        while os.read(0, 1):  # Not through sys.stdin, whose lock would be held at the end.
            pass
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    if sys.argv[1:] == ["--package"]:
        packer, project, python = project_packager()
        print(Path(packer.create_deployment_package(project, python)).name)
        sys.exit()
    if sys.argv[1:2] == ["--until-stdin-closes"]:
        del sys.argv[1]
        # A process in the background of a shell ignores interrupts, and would pass that on.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        end_with_standard_input()
    setattr(deployer, "Deployer", RecordingDeployer)  # noqa: B010 - mypy takes a class for a constant
    kept = sys.argv[1:2] == ["--kept"]
    if kept:
        del sys.argv[1]
        setattr(factory.CLIFactory, "load_chalice_app", load_kept)  # noqa: B010
    setattr(deployer, "LambdaDeploymentPackager", KeptPackager if kept else LeanPackager)  # noqa: B010
    setattr(deployer, "PipDependencyBuilder", LockedDependencies)  # noqa: B010
    for name in DELETIONS:
        setattr(awsclient.TypedAWSClient, name, ignoring_what_is_gone(getattr(awsclient.TypedAWSClient, name)))
    setattr(factory, "create_botocore_session", repeating_for_what_is_new(factory.create_botocore_session))  # noqa: B010
    client: Any = awsclient.TypedAWSClient
    if sys.argv[1:2] == ["--within"]:
        client._client = with_boundary(sys.argv[2], client._client)
        del sys.argv[1:3]
    client.update_function = waiting_until_ready(client.update_function)
    client._do_update_function_config = with_tracing_set(client._do_update_function_config)
    sys.exit(main())
