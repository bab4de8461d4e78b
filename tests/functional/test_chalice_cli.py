"""Chalice's command line as a deployment runs it: its failures are failures, and what it made is known."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.util import cache_from_source
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from zipfile import ZipFile

import botocore.session
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber
from chalice.app import Chalice, CORSConfig, Cron, IAMAuthorizer
from chalice.awsclient import LambdaClientError, LambdaErrorContext, ResourceDoesNotExistError, TypedAWSClient
from chalice.config import Config
from chalice.deploy.appgraph import ApplicationGraphBuilder
from chalice.deploy.deployer import ChaliceDeploymentError, ResultsRecorder
from chalice.deploy.swagger import TemplatedSwaggerGenerator
from chalice.utils import UI, OSUtils

from ops.config.loader import load
from ops.deploy import chalice_runner
from ops.deploy.app_description import described, description_file, rebuilt
from ops.deploy.lambda_zip import LeanPackager, finish
from ops.deploy.patched_chalice import (
    DELETIONS,
    RecordingDeployer,
    ignoring_what_is_gone,
    waiting_until_ready,
    with_boundary,
    with_tracing_set,
)
from ops.deploy.project_copy import mirror
from ops.generate import render

pytestmark = pytest.mark.full

# The zip


def zipped(folder: Path, **files: str) -> Path:
    package = folder / "deployment.zip"
    with ZipFile(package, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return package


FILES = {
    "app.py": "import lib.part\nfound = lib.part.answer()\n",
    "lib/__init__.py": "",
    "lib/part.py": "def answer():\n    return 42\n\ndef fail():\n    raise RuntimeError\n",
    "lib/__pycache__/part.cpython-39.pyc": "of another time",
    "lib/data.pem": "text",
    "lib-1.dist-info/METADATA": "Name: lib\n\nMany words.\n",
    "lib/template.py": "def {{ name }}(:\n",
    "dns/resolver.py": "raise RuntimeError",
    "charset_normalizer/md.cpython-311-aarch64-linux-gnu.so": "machine code",
}


def test_a_package_loses_what_no_function_loads_and_gains_bytecode(tmp_path: Path) -> None:
    package = zipped(tmp_path, **FILES)
    finish(package)
    with ZipFile(package) as archive:
        names = archive.namelist()
        assert archive.testzip() is None
        assert archive.read("lib-1.dist-info/METADATA") == b"Name: lib\n"
    ours, libraries = {"app.py", cache_from_source("app.py")}, {"lib/__init__.pyc", "lib/part.pyc"}
    assert set(names) == ours | libraries | {"lib/data.pem", "lib/template.py", "lib-1.dist-info/METADATA"}
    assert len(names) == len(set(names))
    assert list(tmp_path.iterdir()) == [package]


def test_a_package_that_was_finished_stays_as_it_is(tmp_path: Path) -> None:
    """Chalice takes up a package again whose code and requirements are the same."""
    package = zipped(tmp_path, **FILES)
    finish(package)
    before = package.stat()
    finish(package)
    assert package.stat() == before
    assert list(tmp_path.iterdir()) == [package]


def test_what_is_made_of_sources_is_made_once_until_they_change(tmp_path: Path) -> None:
    kept = tmp_path / "kept"

    def packed(**changed: str) -> bytes:
        package = zipped(tmp_path, **{**FILES, **changed})
        finish(package, kept_in=kept)
        return package.read_bytes()

    def answer() -> bytes:
        with ZipFile(tmp_path / "deployment.zip") as archive:
            return archive.read("lib/part.pyc")

    first, of_first = packed(), answer()
    made = {file: file.read_bytes() for file in kept.iterdir()}
    assert len(made) == 3, "libraries were read and compiled, and our code compiled"
    packed(**{"app.py": "from lib import part\n"})
    (new,) = {*kept.iterdir()} - made.keys()
    assert b"answer" not in new.read_bytes(), "our code changed, no library"
    packed(**{"lib/part.py": "def answer():\n    return 43\n"})
    assert answer() != of_first
    compiled = max(made, key=lambda file: of_first in made[file])
    compiled.write_bytes(made[compiled].replace(b"answer", b"reused"))
    packed()
    assert answer() == of_first.replace(b"answer", b"reused")
    for file in kept.iterdir():
        file.write_bytes(b"")
    assert packed() == first


def test_later_code_gets_what_it_needs_of_a_library_that_earlier_code_did_not_need(tmp_path: Path) -> None:
    libraries = {"lib/__init__.py": "", "lib/deep/__init__.py": "from lib.deep import end", "lib/deep/end.py": "x = 1"}

    def packed(app: str, kept: str) -> tuple[set[str], bytes]:
        package = zipped(tmp_path, **libraries, **{"app.py": app})
        finish(package, kept_in=tmp_path / kept)
        with ZipFile(package) as archive:
            return set(archive.namelist()), package.read_bytes()

    deep = {"lib/deep/__init__.pyc", "lib/deep/end.pyc"}
    assert not packed("import lib\n", "kept")[0] & deep
    names, package = packed("import lib.deep\n", "kept")
    assert deep <= names
    assert package == packed("import lib.deep\n", "nothing")[1]


def test_python_takes_the_bytecode_without_a_look_at_the_source_and_names_the_file_where_it_lies(
    tmp_path: Path,
) -> None:
    package = zipped(tmp_path, **FILES)
    finish(package, vendored=["lib/part.py"])
    task = tmp_path / "task"
    with ZipFile(package) as archive:
        archive.extractall(task)
    # Whatever its time, and even if it were another source.
    (task / "lib" / "part.py").write_text("def answer():\n    return 0\n")
    look = "import app, lib.part; print(app.found, lib.part.answer.__code__.co_filename)"
    ran = subprocess.run([sys.executable, "-c", look], cwd=task, capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout.split() == ["42", str(task / "lib" / "part.py")]


class NoRequirements:
    """Finds nothing to install."""

    def build_site_packages(self, *arguments: object, **more: object) -> None:
        pass


def lean_packager() -> LeanPackager:
    return LeanPackager(OSUtils(), cast(Any, NoRequirements()), UI(out=io.StringIO()), architecture="arm64")


def test_what_a_killed_run_wrote_of_a_package_is_made_anew_and_its_name_is_written_down(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("found = 42\n")
    packer = lean_packager()
    begun = Path(packer.deployment_package_filename(str(tmp_path), "python3.11"))
    begun.parent.mkdir(parents=True)
    begun.write_bytes(b"PK\x03\x04 the beginning of a zip")
    assert packer.create_deployment_package(str(tmp_path), "python3.11") == str(begun)
    with ZipFile(begun) as archive:
        assert archive.testzip() is None
        assert "app.py" in archive.namelist()
    assert (begun.parent / "current").read_text() == begun.name


def test_a_package_that_lacks_what_a_function_imports_is_an_error_of_one_sentence_each_time(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("def handler():\n    import click\n")
    for _ in range(2):
        with pytest.raises(SystemExit, match=r"^app\.py imports click, which is not in the package for Lambda: .+$"):
            lean_packager().create_deployment_package(str(tmp_path), "python3.11")


def test_what_is_vendored_is_asked_as_well_what_it_imports(tmp_path: Path) -> None:
    (tmp_path / "vendor").mkdir()
    (tmp_path / "app.py").write_text("")
    (tmp_path / "vendor" / "mine.py").write_text("import httpx")
    with pytest.raises(SystemExit, match=r"^mine\.py imports httpx, "):
        lean_packager().create_deployment_package(str(tmp_path), "python3.11")


# Changes of functions


@pytest.mark.parametrize(
    "answers",
    [
        [("Active", "Successful")],
        [("Pending", "InProgress"), ("Active", "InProgress"), ("Active", "Successful")],
        [("Active", "InProgress"), ("Active", "Successful")],
        [("Inactive", "Successful")],
        [("Active", "Failed")],
    ],
    ids=lambda answers: "-".join(answers[0]),
)
def test_a_function_is_changed_once_it_is_neither_being_made_nor_changed(
    stubbed: Callable[[str], tuple[Any, Stubber]], answers: list[tuple[str, str]]
) -> None:
    functions, stub = stubbed("lambda")
    for state, updated in answers:
        found = {"State": state, "LastUpdateStatus": updated}
        stub.add_response("get_function", {"Configuration": found}, {"FunctionName": "f"})

    def update(it: object, function_name: str, **more: object) -> str:
        stub.assert_no_pending_responses()
        return f"{function_name} changed {more}"

    client = SimpleNamespace(_client={"lambda": functions}.__getitem__)
    assert waiting_until_ready(update)(client, function_name="f", timeout=1) == "f changed {'timeout': 1}"


@pytest.mark.parametrize(("asked", "mode"), [({}, "PassThrough"), ({"TracingConfig": {"Mode": "Active"}}, "Active")])
def test_a_function_that_is_not_to_be_traced_any_more_is_told_so(asked: dict[str, Any], mode: str) -> None:
    told: list[dict[str, Any]] = []
    with_tracing_set(lambda client, name, settings: told.append(settings))(None, "f", {"Timeout": 1, **asked})
    assert told == [{"Timeout": 1, "TracingConfig": {"Mode": mode}}]


# The program


@pytest.fixture
def project(root: Path, tmp_path: Path) -> Path:
    """A copy of the project, from which somebody deploys."""
    copy = tmp_path / "project"
    copy.mkdir()
    mirror(root, copy)

    render.write(copy, render.generated(load(copy)))
    return copy


def chalice(project: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(chalice_runner.PROGRAM), *words],
        cwd=project,
        env={
            "PATH": "",
            "HOME": str(project),
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "eu-central-1",
            "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
            "AWS_MAX_ATTEMPTS": "1",
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("stage", "source", "said"),
    [
        ("dev", "def (:\n", ["app.py", "SyntaxError: invalid syntax", "def (:"]),
        ("local", "def (:\n", ["app.py", "SyntaxError: invalid syntax", "def (:"]),
        ("dev", "raise RuntimeError('what is wrong')\n", ["app.py", "RuntimeError: what is wrong"]),
    ],
)
def test_an_app_that_can_t_be_imported_is_an_error_and_named_on_stderr(
    project: Path, stage: str, source: str, said: list[str]
) -> None:
    (project / "app.py").write_text(source, encoding="utf-8")
    ran = chalice(project, "deploy", "--stage", stage)
    assert ran.returncode != 0, ran.stdout
    assert [words for words in said if words not in ran.stderr] == []
    assert not (project / ".chalice" / "deployed").exists(), "nothing was made, and nothing is recorded"


def test_what_succeeds_has_the_status_0_and_an_unknown_command_is_an_error(project: Path) -> None:
    ran = chalice(project, "--version")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert " 1.34.0, python " in ran.stdout
    ran = chalice(project, "deploi", "--stage", "dev")
    assert ran.returncode != 0
    assert "deploi" in ran.stderr


def test_it_ends_with_whoever_started_it(project: Path) -> None:
    """Else it would go on deploying beside the run that mends."""
    (project / "app.py").write_text("import time\nprint('imported', flush=True)\ntime.sleep(60)\n", encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, str(chalice_runner.PROGRAM), "--until-stdin-closes", "deploy", "--stage", "dev"],
        cwd=project,
        env={"PATH": "", "HOME": str(project), "AWS_DEFAULT_REGION": "eu-central-1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin
    assert process.stdout
    with process:
        assert process.stdout.readline() == "imported\n"
        process.stdin.close()
        assert process.wait(60) == 1


def test_no_module_beside_the_program_is_imported(project: Path) -> None:
    beside = "release_history"
    assert chalice_runner.PROGRAM.with_name(f"{beside}.py").exists()
    (project / "app.py").write_text(f"import {beside}\n", encoding="utf-8")
    assert f"No module named '{beside}'" in chalice(project, "deploy", "--stage", "dev").stderr


def test_a_package_is_named_by_sources_and_not_by_the_bytecode_that_python_leaves_beside_them(project: Path) -> None:
    """Else it would be made anew once ``app.py`` was imported."""
    beside = project / "vendor" / "beside.py"
    beside.parent.mkdir(exist_ok=True)
    beside.write_text("", encoding="utf-8")

    def name() -> str:
        return lean_packager().deployment_package_filename(str(project), "python3.11")

    before = name()
    for source in (beside, project / "chalicelib" / "errors.py"):
        cache = Path(cache_from_source(str(source)))
        cache.parent.mkdir(exist_ok=True)
        cache.write_bytes(b"bytecode")
    assert name() == before
    data = project / "vendor" / "data.json"
    data.write_text("{}", encoding="utf-8")
    with_data = name()
    data.rename(data.with_name("other.json"))
    with_other = name()
    data.with_name("other.json").unlink()
    assert name() == before
    beside.write_text("changed = True\n", encoding="utf-8")
    assert len({before, with_data, with_other, name()}) == 4


# The app as data


def deployed(app: Chalice, root: Path) -> tuple[str, dict[str, Any]]:
    """What Chalice would make of an app: its resources, and the API's definition."""
    disk = json.loads((root / ".chalice" / "config.json").read_text(encoding="utf-8"))
    config = Config(
        chalice_stage="local",
        user_provided_params={"project_dir": str(root), "chalice_app": lambda: app},
        config_from_disk=disk,
    )
    swagger = TemplatedSwaggerGenerator().generate_swagger(app)
    return str(ApplicationGraphBuilder().build(config, "local")), json.loads(json.dumps(swagger, default=vars))


def of_everything() -> Chalice:
    """An app with what Herald's own has not."""
    app = Chalice("herald", configure_logs=False)
    app.api.binary_types.append("image/webp")
    cors = CORSConfig("https://example.com", ["X-Mine"], ["X-Theirs"], 600, True)

    @app.route("/one/{id}/{more}", methods=["GET", "PUT"], cors=cors, api_key_required=True)
    def one(id: str, more: str) -> None:
        """Its summary.

        And more.
        """

    app.route("/", methods=["POST"], content_types=["image/webp"], cors=True, name="two")(lambda: None)
    app.lambda_function(name="three")(lambda event, context: None)
    app.schedule(Cron(0, 1, "?", "*", "MON", "*"), name="four")(lambda event: None)
    app.on_cw_event({"source": ["mine"]}, name="five")(lambda event: None)
    app.on_s3_event("bucket", ["s3:ObjectCreated:*"], "in/", ".jpg", name="six")(lambda event: None)
    app.on_sqs_message("queue", batch_size=2, name="seven")(lambda event: None)
    app.on_kinesis_record("stream", name="eight")(lambda event: None)
    app.on_dynamodb_record("arn:aws:dynamodb:eu-central-1:1:table/t/stream/x", name="nine")(lambda event: None)
    return app


@pytest.mark.parametrize("which", ["herald", "everything"])
def test_an_app_made_of_its_description_is_deployed_as_the_one_that_was_described(which: str, root: Path) -> None:
    app = import_module("app").app if which == "herald" else of_everything()
    # Chalice adds an empty route for each address at which another test has asked it in vain.
    for path in [path for path, methods in app.routes.items() if not methods]:
        del app.routes[path]
    again = rebuilt(json.loads(json.dumps(described(app))))
    assert deployed(again, root) == deployed(app, root)
    assert described(again) == described(app)


def test_an_app_whose_code_must_run_to_be_deployed_says_why() -> None:
    app = Chalice("herald", configure_logs=False)
    app.route("/", authorizer=IAMAuthorizer())(lambda: None)
    assert described(app) == {"code": "it has authorizers or WebSockets"}


def test_what_was_kept_is_deployed_without_running_any_of_it(project: Path, tmp_path: Path) -> None:
    """Not even what lies where Python looks first."""
    ran = tmp_path / "ran"
    for name in ("app.py", "chalicelib/__init__.py", "jmespath.py", "sitecustomize.py"):
        (project / name).write_text(f"open({str(ran)!r}, 'w')\n", encoding="utf-8")
    at = project / description_file("local")
    at.parent.mkdir()
    at.write_text(json.dumps(described(import_module("app").app)), encoding="utf-8")
    (at.parent / "package.zip").write_bytes(b"a package")
    said = chalice(project, "--kept", "deploy", "--stage", "local")
    assert "http://127.0.0.1:9" in said.stderr, "it came as far as AWS"
    assert not ran.exists()


# The deployer


class Step:
    """A step of Chalice's that gives back nothing."""

    def build(self, *_: object) -> Any:
        return []

    build_dependencies = execute = build


class Deployment:
    """A deployment of stage dev that makes what it is told, one after the other, and keeps what is recorded of it."""

    def __init__(self, folder: Path, *known: dict[str, Any]) -> None:
        self.config = config(folder, *known)
        self.recorded: list[dict[str, Any]] = []
        self.resource_values: list[dict[str, Any]] = []
        self._project = str(folder)

    def run(self, *made: dict[str, Any], error: BaseException | None = None, recorder: Any = None) -> Any:
        """Make these, and fail after the last where there is an error."""
        self._made, self._error = made, error
        step: Any = Step()
        last: Any = self
        return RecordingDeployer(step, step, step, step, step, last, recorder or last).deploy(self.config, "dev")

    def fails(self, *made: dict[str, Any], recorder: Any = None) -> None:
        with pytest.raises(ChaliceDeploymentError):
            self.run(*made, error=DENIED, recorder=recorder)

    # As an executor and a recorder of Chalice.

    def execute(self, plan: object) -> None:
        self.resource_values.extend(self._made)
        if self._error:
            raise self._error

    def record_results(self, results: Any, stage: str, project: str) -> None:
        assert (stage, project) == ("dev", self._project)
        self.recorded.append(results)


def config(folder: Path, *known: dict[str, Any]) -> Config:
    """Chalice's own configuration, of a project that was deployed before where something is ``known``."""
    if known:
        record = folder / ".chalice" / "deployed" / "dev.json"
        record.parent.mkdir(parents=True)
        record.write_text(json.dumps({"resources": known, "schema_version": "2.0", "backend": "api"}))
    disk = {"app_name": "herald", "manage_iam_role": True, "project_dir": str(folder), "stages": {"dev": {}}}
    return Config(
        chalice_stage="dev",
        config_from_disk=disk,
        user_provided_params={"chalice_app": Chalice("herald", configure_logs=False), "project_dir": str(folder)},
    )


def role(name: str, arn: str = "arn:role") -> dict[str, Any]:
    return {"name": name, "resource_type": "iam_role", "role_arn": arn, "role_name": name}


def function(name: str, arn: str = "arn:function") -> dict[str, Any]:
    return {"name": name, "resource_type": "lambda_function", "lambda_arn": arn}


API = {"name": "rest_api", "resource_type": "rest_api", "rest_api_id": "abc", "rest_api_url": "https://abc/api/"}
DENIED = ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "CreateDeployment")


def results(*resources: dict[str, Any]) -> dict[str, Any]:
    return {"resources": list(resources), "schema_version": "2.0", "backend": "api"}


def test_what_succeeds_is_recorded_once_as_chalice_does(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path, role("old"))
    assert deployment.run(role("r"), API) == results(role("r"), API)
    assert deployment.recorded == [results(role("r"), API)]


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (DENIED, ChaliceDeploymentError),
        (ChaliceDeploymentError(DENIED), ChaliceDeploymentError),
        (ZeroDivisionError(), ZeroDivisionError),
        (KeyboardInterrupt(), KeyboardInterrupt),
        (SystemExit(1), SystemExit),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_what_was_made_before_a_failure_is_recorded_and_the_failure_goes_on(
    tmp_path: Path, error: BaseException, raised: type[BaseException]
) -> None:
    deployment = Deployment(tmp_path)
    with pytest.raises(raised):
        deployment.run(role("r"), API, error=error)
    assert deployment.recorded == [results(role("r"), API)]


def test_what_was_known_before_stays_known_and_what_was_made_anew_is_laid_over_it(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path, role("r", "arn:old") | {"more": 1}, function("f"), API)
    deployment.fails(role("r", "arn:new"), function("g"))
    merged = role("r", "arn:new") | {"more": 1}
    assert deployment.recorded == [results(merged, function("f"), API, function("g"))]


def test_what_chalice_records_twice_of_one_resource_is_one(tmp_path: Path) -> None:
    """Chalice records a value when it is known: a resource with two of them comes twice."""
    deployment = Deployment(tmp_path)
    deployment.fails({"name": "rest_api", "resource_type": "rest_api", "rest_api_id": "abc"}, API)
    assert deployment.recorded == [results(API)]


def test_a_failure_before_anything_was_made_leaves_the_record_alone(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path, role("r"), API)
    deployment.fails()
    assert deployment.recorded == []


def test_the_next_deployment_reads_in_chalices_own_record_what_the_failed_one_made(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path)
    deployment.fails(role("r"), API, recorder=ResultsRecorder(OSUtils()))
    known = deployment.config.deployed_resources("dev")
    assert known.resource_names() == ["r", "rest_api"]
    assert known.resource_values("rest_api") == API


def test_nothing_is_made_where_app_py_and_the_manifest_differ_and_the_functions_are_named(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path)
    deployment.config.chalice_app.lambda_function(name="extra")(print)
    deployment.config.config_from_disk["stages"]["dev"]["lambda_functions"] = {"destined": {}}
    with pytest.raises(RuntimeError) as refused:
        deployment.run(role("r"))
    assert str(refused.value).splitlines() == [
        "app.py registers extra, which the manifest lacks: chalicelib/functions.py, or own_functions.py and"
        " `functions` of the stage in herald.toml",
        "the manifest declares destined, which app.py lacks",
    ]
    assert (deployment.recorded, deployment.resource_values) == ([], [])


# Roles


BOUNDARY = "arn:aws:iam::123456789012:policy/herald-boundary-dev"
ROLE = {"RoleName": "herald-dev-destined"}
ALLOWS: dict[str, Any] = {"Version": "2012-10-17", "Statement": []}


class Bounded(TypedAWSClient):
    """Chalice's client, as a deployment with a boundary has it; its ``iam`` can be stubbed."""

    _client = with_boundary(BOUNDARY, TypedAWSClient._client)

    def __init__(self) -> None:
        session = botocore.session.get_session()
        session.set_credentials("key", "secret")
        super().__init__(session)
        self.iam = self._client("iam")


def test_a_role_has_its_boundary_from_its_making_on_and_before_any_right() -> None:
    chalice = Bounded()
    arn = "arn:aws:iam::123456789012:role/herald-dev-destined"
    made = {"Role": {**ROLE, "Path": "/", "RoleId": "A" * 16, "Arn": arn, "CreateDate": 0}}
    with Stubber(chalice.iam) as iam:
        trusting = {**ROLE, "AssumeRolePolicyDocument": json.dumps(ALLOWS)}
        iam.add_response("create_role", made, trusting | {"PermissionsBoundary": BOUNDARY})
        iam.add_response("put_role_permissions_boundary", {}, {**ROLE, "PermissionsBoundary": BOUNDARY})
        iam.add_response("put_role_policy", {}, {**ROLE, "PolicyName": ROLE["RoleName"], "PolicyDocument": "{}"})
        assert chalice.create_role(ROLE["RoleName"], ALLOWS, {}) == arn
        iam.assert_no_pending_responses()


def test_a_role_that_stands_is_put_within_the_boundary_before_its_rights_change() -> None:
    chalice = Bounded()
    with Stubber(chalice.iam) as iam:
        for _ in range(2):
            iam.add_response("put_role_permissions_boundary", {}, {**ROLE, "PermissionsBoundary": BOUNDARY})
            iam.add_response("put_role_policy", {}, {**ROLE, "PolicyName": "p", "PolicyDocument": "{}"})
            chalice.put_role_policy(ROLE["RoleName"], "p", {})
        iam.assert_no_pending_responses()


# Deletions


def answer(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "m"}}, "Delete")


@pytest.mark.parametrize(
    "error",
    [
        ResourceDoesNotExistError("f"),
        *map(answer, ("NoSuchEntity", "NotFound", "NotFoundException", "ResourceNotFoundException")),
    ],
    ids=str,
)
def test_to_delete_what_is_gone_is_no_error(error: Exception) -> None:
    def delete(name: str, *, more: int) -> str:
        raise error

    assert ignoring_what_is_gone(delete)("f", more=1) is None


@pytest.mark.parametrize(
    "error",
    [
        *map(answer, ("AccessDenied", "AccessDeniedException", "TooManyRequestsException", "DeleteConflict", "")),
        *map(answer, ("ServiceException", "InvalidParameter", "ResourceConflictException", "notfound")),
        LambdaClientError(RuntimeError("m"), LambdaErrorContext("f", "delete_function", 0)),
        KeyError("NotFound"),
        RuntimeError("ResourceNotFoundException"),
    ],
    ids=str,
)
def test_any_other_failure_of_a_deletion_escapes(error: Exception) -> None:
    def delete() -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        ignoring_what_is_gone(delete)()
    assert caught.value is error


def test_a_deletion_that_succeeds_is_made_once_with_what_it_was_given() -> None:
    seen: list[object] = []

    def delete(*arguments: object, **more: object) -> str:
        seen.append((arguments, more))
        return "deleted"

    assert ignoring_what_is_gone(delete)("a", 1, force=True) == "deleted"
    assert seen == [(("a", 1), {"force": True})]


def test_what_is_gone_in_part_is_deleted_all_the_same() -> None:
    """A role's policy may be gone, and the role be left: the answer to its deletion was lost, and it was repeated."""
    policies = iter([answer("NoSuchEntity"), None])
    deleted: list[str] = []

    def delete_role(name: str) -> None:
        if error := next(policies):
            raise error
        deleted.append(name)

    ignoring_what_is_gone(delete_role)("herald-dev-destined")
    assert deleted == ["herald-dev-destined"]


def test_every_deletion_that_is_wrapped_is_chalices() -> None:
    assert [name for name in DELETIONS if not callable(getattr(TypedAWSClient, name, None))] == []
    assert len(set(DELETIONS)) == len(DELETIONS)
