"""Chalice's own command line, with what a deployment needs to be safe to repeat.

Run as a program, with Chalice's words as arguments, in the project's folder. Against chalice 1.34.0:

- Chalice writes down what it deployed only when all of it succeeded; a failure half way would leave a REST API that no
  record knows, and the next run would make a second one. Here what was made until then is recorded too.
- Deleting what is gone already is an error of Chalice's; here it is none.
- Chalice takes up a package again of which a killed run wrote a part, and changes a function that is still being made;
  here the package is made anew, and the function waited for.
- It can switch X-Ray on and not off; here a stage without it is not traced.
- It knows no permissions boundary; with `--within ARN` before its words every role gets that one before any right.
- It lives on when the deployment that started it is killed; with `--until-stdin-closes` before Chalice's words it ends.
- It runs an app's code to learn what to deploy; here that is written down, and `--kept` before Chalice's words deploys
  what was, with the package beside it, and runs none: docs/decisions/0037-a-rollback-runs-no-code-of-its-release.md.
- Chalice doesn't know the manifest; here a function that only one of it and ``app.py`` has is named at once.
- Chalice's exit status is 0 whatever happened; here it is Chalice's own word for it.
- Chalice packs requirements whole and without bytecode; here what no function can import is left out, what one could
  look for in vain is an error, and each module's bytecode lies beside it, as Lambda can't keep what it compiles at a
  start: docs/decisions/0027-the-zip.md, 0036-the-zip-holds-what-is-imported.md.
- Chalice asks pip for whatever ``requirements.txt`` lets in; here packages are those of ``locks/``, held against their
  hashes, and two zips of the same sources are the same bit for bit: docs/decisions/0043-locks-and-the-same-zip.md.

`--package` alone makes the package and prints its name.
"""

from __future__ import annotations

import inspect
import io
import json
import marshal
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Collection, Iterator
from fnmatch import fnmatchcase
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo, is_zipfile

# The project's own app.py is imported, and nothing of this folder; of a kept release nothing at all.
sys.path[:1] = [] if "--kept" in sys.argv else [str(Path.cwd())]

from botocore.exceptions import ClientError  # noqa: E402
from chalice import app, awsclient  # noqa: E402
from chalice.cli import factory, main  # noqa: E402
from chalice.deploy import deployer, packager  # noqa: E402
from chalice.utils import UI, OSUtils  # noqa: E402

DELETIONS = (
    "delete_function",
    "delete_rest_api",
    "delete_role",
    "delete_rule",
    "unsubscribe_from_topic",
    "remove_permission_for_sns_topic",
)
GONE = ("NoSuchEntity", "NotFound", "NotFoundException", "ResourceNotFoundException")
"""How AWS services say that a thing is not there."""


_OF_INSTALLERS = ("INSTALLER", "RECORD", "REQUESTED", "direct_url.json", "uv_cache.json")
LEFT_OUT = {
    "charset_normalizer/*.so": "the same modules are there in Python; it guesses encodings, which nobody asks it for",
    "*__mypyc.*.so": "of the same",
    "charset_normalizer/cli/*": "no command is run in Lambda",
    "bin/*": "no command is run in Lambda",
    ".lock": "uv's, for the folder into which it installs",
    **{f"*.dist-info/{name}": "says how it was installed" for name in _OF_INSTALLERS},
}
"""What stays out of the zip besides what no function can import, and why nobody misses it: no function loads any of it,
also not for a request. tests/infrastructure/test_package.py runs them from the zip."""


class LeanPackager(packager.LambdaDeploymentPackager):
    """Makes a zip that is smaller and starts sooner."""

    def create_deployment_package(self, project_dir: str, python_version: str) -> str:
        started = Path(self.deployment_package_filename(project_dir, python_version))
        if started.exists() and not is_zipfile(started):
            started.unlink()
        package: str = super().create_deployment_package(project_dir, python_version)
        vendor = Path(project_dir, "vendor")
        finish(Path(package), [path.relative_to(vendor).as_posix() for path in vendor.rglob("*")])
        started.with_name("current").write_text(started.name, encoding="utf-8")
        return package

    # What the package is named by: the lock instead of the requirements, as it says all that is packed; no bytecode, as
    # it would have another name once ``app.py`` was imported; and files in an order that no file system chooses.

    def _get_requirements_filename(self, project_dir: str) -> str:
        return str(Path(project_dir, "locks/requirements.txt"))

    def _iter_chalice_lib_if_needed(self, project_dir: str) -> Iterator[tuple[str, str]]:
        for file, name in sorted(super()._iter_chalice_lib_if_needed(project_dir)):
            if "__pycache__" not in Path(name).parts:
                yield file, name

    def _hash_vendor_dir(self, vendor_dir: str, md5: Any) -> None:
        for file in sorted(Path(vendor_dir).rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                md5.update(f"{file.relative_to(vendor_dir).as_posix()}\n".encode() + file.read_bytes())


class LockedDependencies:
    """Lays the packages of a lock out, each held against its hash; in place of Chalice's builder, which asks pip."""

    def __init__(self, osutils: object = None, pip_runner: object = None, architecture: str = "x86_64") -> None:
        self._machine = {"arm64": "aarch64"}.get(architecture, architecture)

    def build_site_packages(self, abi: str, requirements_filepath: str, target_directory: str) -> None:
        python = f"{abi[2]}.{abi[3:]}"  # Of cp312.
        unpack = ["unpack", target_directory, requirements_filepath, python, self._machine]
        if subprocess.run([sys.executable, "-P", str(_PACKAGES), *unpack]).returncode:
            sys.exit("Chalice got no packages for the zip; nothing was deployed.")


_PACKAGES = Path(__file__).resolve().parents[1] / "packages.py"
_TIME = (1980, 1, 1, 0, 0, 0)
"""Of every file in the zip: the first that the format knows."""
_MODE = 0o100644 << 16


def finish(package: Path, vendored: Collection[str] = ()) -> None:
    """Leave out what no function can import and what is in ``LEFT_OUT``, and put bytecode beside every module.

    A package that has bytecode stays as it is. Ends the program where a function would look for something in vain.

    The bytecode is not checked against its source when it is loaded (PEP 552), as the times of files don't survive a
    zip. Python takes it only where it is of the very version that made it, and otherwise compiles the source.
    Order, times and permissions are always the same, so the same files make the same zip.
    """
    with ZipFile(package) as old:
        if cache_from_source("app.py") in old.namelist():
            return
        files = {name: old.read(name) for name in old.namelist() if not name.endswith((".pyc", "/"))}
    ours = [name for name in files if name == "app.py" or name.startswith("chalicelib/") or name in vendored]
    wanted = needed(files, ours)
    files = {
        name: content
        for name, content in files.items()
        if name in wanted and not any(fnmatchcase(name, pattern) for pattern in LEFT_OUT)
    }
    files |= compiled({name: files[name] for name in sorted(files) if name.endswith(".py")})
    arriving = package.with_suffix(".new")
    with ZipFile(arriving, "w", ZIP_DEFLATED, compresslevel=9) as new:
        for name in sorted(files):
            entry = ZipInfo(name, _TIME)
            entry.create_system, entry.external_attr = 3, _MODE
            new.writestr(entry, files[name], ZIP_DEFLATED)
    arriving.replace(package)


def needed(files: dict[str, bytes], ours: list[str]) -> set[str]:
    """The names of the files that belong in a zip; ends the program with a sentence for each library that it lacks."""
    command = [sys.executable, "-I", "-S", str(Path(__file__).resolve().with_name("package_contents.py"))]
    ran = subprocess.run(command, input=marshal.dumps((files, ours)), stdout=subprocess.PIPE, timeout=300, check=True)
    found, missing = marshal.loads(ran.stdout)  # noqa: S302 - of our own process
    if missing:
        sys.exit("\n".join(missing))
    return set(found)


_COMPILE = """
import marshal, sys
from importlib.util import MAGIC_NUMBER, cache_from_source, source_hash
found = {}
for name, source in marshal.load(sys.stdin.buffer).items():
    try:
        code = compile(source, name, "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        continue
    head = MAGIC_NUMBER + (1).to_bytes(4, "little") + source_hash(source)
    found[cache_from_source(name)] = head + marshal.dumps(code)
marshal.dump(found, sys.stdout.buffer)
"""


def compiled(sources: dict[str, bytes]) -> dict[str, bytes]:
    """The bytecode of modules, by its name; nothing for what only looks like a module.

    It is made in a process of its own, as marshal writes a string in another way where something else in the process
    holds it too: https://github.com/python/cpython/issues/78274
    """
    command = [sys.executable, "-I", "-S", "-W", "ignore", "-c", _COMPILE]
    ran = subprocess.run(command, input=marshal.dumps(sources), stdout=subprocess.PIPE, timeout=300, check=True)
    found: dict[str, bytes] = marshal.loads(ran.stdout)  # noqa: S302 - of our own process
    return found


def undeclared(app: Any, declared: set[str]) -> list[str]:
    """Functions that ``app.py`` has and the manifest hasn't, or the reverse, in words. Of the former Chalice would miss
    a policy, of the latter Herald a function, and both would say so in the words of another fault."""
    registered = {each.name for each in (*app.event_sources, *app.pure_lambda_functions)}
    registered |= {"api_handler"} if app.routes else set()
    manifest = "chalicelib/functions.py"
    return [
        *(f"app.py registers {name}, which {manifest} lacks" for name in sorted(registered - declared)),
        *(f"{manifest} declares {name}, which app.py lacks" for name in sorted(declared - registered)),
    ]


class KeptPackager(LeanPackager):
    """Takes the one package that there is."""

    def create_deployment_package(self, project_dir: str, python_version: str) -> str:
        return str(next(Path(project_dir, ".chalice/deployments").glob("*.zip")))


_EVENTS = (
    app.CloudWatchEventConfig,
    app.DynamoDBEventConfig,
    app.KinesisEventConfig,
    app.S3EventConfig,
    app.ScheduledEventConfig,
    app.SNSEventConfig,
    app.SQSEventConfig,
)


def described(it: app.Chalice) -> dict[str, Any]:
    """All that Chalice reads of an app to deploy it, as data; ``{"code": why}`` where nothing but its code will do."""
    routes = [route for methods in it.routes.values() for route in methods.values()]
    if it.websocket_handlers or it.builtin_auth_handlers or any(each.authorizer for each in routes):
        return {"code": "it has authorizers or WebSockets"}
    return {
        "name": it.app_name,
        "binary_types": it.api.binary_types,
        "routes": [
            {
                "path": each.uri_pattern,
                "method": each.method,
                "view_name": each.view_name,
                "doc": inspect.getdoc(each.view_function),
                "api_key_required": each.api_key_required,
                "content_types": each.content_types,
                "cors": each.cors and {name.lstrip("_"): _listed(value) for name, value in vars(each.cors).items()},
            }
            for each in routes
        ],
        "functions": [{"name": each.name, "handler_string": each.handler_string} for each in it.pure_lambda_functions],
        "events": [
            {"kind": type(each).__name__, **{name: _listed(value) for name, value in vars(each).items()}}
            for each in it.event_sources
        ],
    }


def _listed(value: Any) -> Any:
    """A value as JSON can hold it."""
    if isinstance(value, app.ScheduleExpression):
        return value.to_string()
    return sorted(value) if isinstance(value, set) else value


def rebuilt(found: dict[str, Any]) -> app.Chalice:
    """An app without code that Chalice deploys as the one that was :func:`described`."""
    it = app.Chalice(app_name=found["name"], configure_logs=False)
    it.api.binary_types = found["binary_types"]
    for route in found["routes"]:

        def view() -> None: ...

        view.__doc__ = route.pop("doc")
        cors = route.pop("cors")
        entry = app.RouteEntry(view, **route, cors=app.CORSConfig(**cors) if cors else None)
        it.routes[entry.uri_pattern][entry.method] = entry
    it.pure_lambda_functions += [app.LambdaFunction(lambda event, context: None, **each) for each in found["functions"]]
    kinds = {kind.__name__: kind for kind in _EVENTS}
    it.event_sources += [kinds[each.pop("kind")](**each) for each in found["events"]]
    return it


def description(stage: str) -> Path:
    """The file, in the project of the current folder, with what was :func:`described` of its app."""
    return Path(f".chalice/deployments/app-{stage}.json")


class RecordingDeployer(deployer.Deployer):
    """Writes down what it deploys, and records also what a failed deployment has made. Makes nothing where ``app.py``
    and the manifest differ."""

    def _validate_config(self, config: Any) -> None:
        declared = config.config_from_disk["stages"][config.chalice_stage].get("lambda_functions", {})
        if mistakes := undeclared(config.chalice_app, set(declared)):
            raise RuntimeError("\n".join(mistakes))
        super()._validate_config(config)

    def _deploy(self, config: Any, chalice_stage_name: str) -> Any:
        described_at = description(chalice_stage_name)
        described_at.parent.mkdir(parents=True, exist_ok=True)
        described_at.write_text(json.dumps(described(config.chalice_app)), encoding="utf-8")
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


def when_it_has_settled(update: Callable[..., Any]) -> Callable[..., Any]:
    """The same change of a function, once nothing else is under way: while it is being made or changed, Lambda refuses.
    https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html"""

    def change(client: Any, function_name: str, *arguments: Any, **more: Any) -> Any:
        for state in ("function_active_v2", "function_updated_v2"):
            client._client("lambda").get_waiter(state).wait(FunctionName=function_name)
        return update(client, function_name, *arguments, **more)

    return change


def here() -> tuple[LeanPackager, str, str]:
    """What packs the project of the current folder, that folder, and the Python that it packs for."""
    project = str(Path.cwd())
    architecture = json.loads(Path(".chalice/config.json").read_text(encoding="utf-8"))["lambda_architecture"]
    osutils, silent = OSUtils(), UI(out=io.StringIO())
    dependencies: Any = LockedDependencies(architecture=architecture)
    python = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return LeanPackager(osutils, dependencies, silent, architecture=architecture), project, python


def traced_or_not(change: Callable[..., Any]) -> Callable[..., Any]:
    """The same change of a function's settings, in which no word of X-Ray means that it is off."""

    def configure(client: Any, function_name: str, settings: dict[str, Any]) -> Any:
        return change(client, function_name, {"TracingConfig": {"Mode": "PassThrough"}, **settings})

    return configure


def within(boundary: str, client: Callable[..., Any]) -> Callable[..., Any]:
    """The same making of a client; IAM's makes each role within the boundary, and puts one that stands within it."""

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


def load_kept(self: Any, environment_variables: Any = None, validate_feature_flags: Any = True) -> app.Chalice:
    """In place of importing the project's app: what was written down of it."""
    return rebuilt(json.loads(description(environment_variables["HERALD_STAGE"]).read_text(encoding="utf-8")))


def end_with_standard_input() -> None:
    """End this process when whoever started it is gone: two must never deploy at the same time."""

    def watch() -> None:
        while os.read(0, 1):  # Not through sys.stdin, whose lock would be held at the end.
            pass
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    if sys.argv[1:] == ["--package"]:
        packer, project, python = here()
        print(Path(packer.create_deployment_package(project, python)).name)
        sys.exit()
    if sys.argv[1:2] == ["--until-stdin-closes"]:
        del sys.argv[1]
        # Whoever runs in the background of a shell inherits that an interrupt is ignored.
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
        setattr(awsclient.TypedAWSClient, name, unless_gone(getattr(awsclient.TypedAWSClient, name)))
    client: Any = awsclient.TypedAWSClient
    if sys.argv[1:2] == ["--within"]:
        client._client = within(sys.argv[2], client._client)
        del sys.argv[1:3]
    client.update_function = when_it_has_settled(client.update_function)
    client._do_update_function_config = traced_or_not(client._do_update_function_config)
    sys.exit(main())
