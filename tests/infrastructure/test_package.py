"""The deployment zip, built as ``make deploy`` builds it: what is in it, and that it is enough."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, requires
from importlib.util import MAGIC_NUMBER, cache_from_source, find_spec
from pathlib import Path
from typing import Any

import pytest

from chalicelib.current_stage import stage_named
from chalicelib.functions import FUNCTIONS, functions_of
from ops import packages
from ops.config.loader import load
from ops.deploy.bill_of_materials import bill
from ops.deploy.chalice_runner import PROGRAM
from ops.deploy.project_copy import mirror
from ops.generate import render
from ops.local.runtime_packages import RUNTIME_PACKAGES, link_runtime_packages
from tests.declared import HTTP, toml

pytestmark = pytest.mark.full

EVERY_CHANNEL = f"""
[channels.email]
kind = "email"
from = "herald@example.com"
to = ["owner@example.org"]

[stages.local.sites.every-channel]
thanks = "http://127.0.0.1:8080/thanks.html"
channels = {["pushover", "email", *HTTP]}

[stages.local.sites.every-channel.files]

[sites.default.autoreply]
from = "hello@example.com"

[sites.default.autoreply.texts.en]
subject = "Got it"
text = "Hello."

[stages.local.canary]

[stages.local.digest]
""" + toml(*HTTP)
"""A site of stage ``local`` that has a channel of each kind, so that the zip is asked for every function."""

MESSAGE_FILES = "chalicelib.logic.message_files"
EVERYWHERE = (
    *("boto3", "botocore.", "s3transfer", "dns", "pydantic", "ops", "xml", "email_validator", "multipart", "altcha"),
    MESSAGE_FILES,
)
FILES = (
    *("exifread", "filetype", "chalicelib.adapters.aws.own_s3", "chalicelib.adapters.file_bucket"),
    *("chalicelib.logic.attachments", "chalicelib.logic.file_extensions", "chalicelib.logic.exif"),
    *("chalicelib.logic.file_names", "chalicelib.logic.image_cleaning", "chalicelib.logic.uploads"),
)
"""What only a site that takes files needs; the stage here has none."""
HTTP_OF_OTHERS = ("requests", "urllib3", "certifi", "charset_normalizer", "idna")
MOST = (*EVERYWHERE, *HTTP_OF_OTHERS)
FORBIDDEN = {
    **dict.fromkeys(
        (f"app.{name}" for name in ("app", "destined", "retry_due", "canary", "digest", "autoreply", "notify_email")),
        MOST,
    ),
    "app.inbox": (*(name for name in MOST if name != MESSAGE_FILES), *FILES),
    "app.notify_pushover": (*EVERYWHERE, "standardwebhooks"),
    **dict.fromkeys(
        (f"app.notify_{kind}" for kind in HTTP),
        (*EVERYWHERE, "standardwebhooks", "chalicelib.logic.pushover_parameters"),
    ),
    "app.get_message": (*MOST, "aws_lambda_powertools.utilities.data_classes"),
    "app.list_messages": (*MOST, "aws_lambda_powertools.utilities.data_classes"),
    "app.get_message_url": MOST,
    "app.on_success": (*MOST, "http.client"),
    "app.on_failure": (*MOST, "http.client"),
    # ExifRead imports the standard library's XML, for data that Herald does not ask it for.
    "app.examine": tuple(name for name in MOST if name not in ("xml", MESSAGE_FILES)),
}
"""What a function must not have loaded when it is ready for its first request: a module and all below it; with a dot at
the end, only what is below it. A list is steadier than a timed test."""

INSTALLED = {
    *("altcha", "aws_lambda_powertools", "certifi", "chalice", "charset_normalizer", "email_validator", "exifread"),
    *("filetype", "idna", "jinja2", "jmespath", "markupsafe", "multipart.pyc", "requests", "standardwebhooks"),
    *("typing_extensions.pyc", "urllib3"),
}
"""What the requirements bring, by its name in the zip."""

LOAD = """
import json, os, sys
task, runtime, handler = sys.argv[1:]
sys.path[:0] = [task, runtime]
os.chdir(task)
os.environ["_HANDLER"] = handler
module, _, name = handler.rpartition(".")
entry_point = getattr(__import__(module), name)
assert callable(entry_point)
files = {name: getattr(module, "__file__", None) or "" for name, module in sys.modules.items()}
outside = {name: file for name, file in files.items() if "site-packages" in file and not file.startswith(runtime)}
print(json.dumps({"outside": outside, "entry": sys.modules[module].__file__, "modules": list(sys.modules)}))
"""


NEED = """
import sys
sys.path[:0] = sys.argv[1:3]
from chalicelib.errors import SubmissionError
from chalicelib.logic import form_body, submission, validation
from chalicelib.current_stage import stage_named
stage = stage_named("local")
body = b'--x\\r\\nContent-Disposition: form-data; name="email"\\r\\n\\r\\n%s\\r\\n--x--\\r\\n'
for address, right in (b"ada@example.com", True), ("jürgen@bücher.example".encode(), True), (b"nobody", False):
    pairs = form_body.read("multipart/form-data; boundary=x", body % address, stage.limits) + [("message", "Hi")]
    try:
        validation.validate(submission.classify_fields(pairs), stage.sites["default"], stage.limits)
        assert right
    except SubmissionError:
        assert not right
task = sys.argv[1]
files = [sys.modules[name].__file__ or "" for name in ("multipart", "email_validator", "idna")]
assert all(file.startswith(task) for file in files), files
assert "dns.resolver" not in sys.modules
"""
"""What is loaded only when a form needs it."""


HOOK = """
import sys
sys.path[:0] = sys.argv[1:3]
from chalicelib.adapters.providers import webhook
for name in ("requests", "standardwebhooks"):
    assert sys.modules[name].__file__.startswith(sys.argv[1]), name
"""


def isolated(program: str, *arguments: object, **environ: str) -> str:
    """What a program prints that runs without PYTHON* variables, user site and current folder (-I), and without
    site-packages (-S)."""
    ran = subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-W", "error", "-c", program, *map(str, arguments)],
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def packed(project: Path, *options: str, **more: Any) -> subprocess.CompletedProcess[str]:
    """Make a project's zip, or skip the test where the package index can't be reached."""
    command = [sys.executable, str(PROGRAM), *options]
    ran = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=300, check=False, **more)
    unreachable = r"Could not find a version|ConnectionError|Max retries|NewConnection|error sending request"
    if ran.returncode and re.search(unreachable, ran.stdout + ran.stderr):
        pytest.skip("the package index can't be reached")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran


@pytest.fixture(scope="session")
def package(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The zip, from a copy of the project. Its dependencies come from the package index."""
    project = tmp_path_factory.mktemp("project")
    mirror(root, project)
    shipped = (project / "herald.toml").read_text(encoding="utf-8")
    shipped = shipped.replace("[stages.local]\n", "[stages.local]\ninbox = true\n", 1)
    (project / "herald.toml").write_text(shipped + EVERY_CHANNEL, encoding="utf-8")
    render.write(project, render.generated(load(project)))
    # What a checkout also holds must not find its way into the zip.
    shutil.copytree(root / "ops", project / "ops", ignore=shutil.ignore_patterns("__pycache__"))
    (project / "tests").mkdir()
    for name in ("ops", "tests"):
        (project / name / "secret.py").write_text("")
    ran = packed(project, "package", "--stage", "local", "out")
    assert "WARNING" not in ran.stderr.upper(), ran.stderr
    return project / "out" / "deployment.zip"


@pytest.fixture(scope="session")
def names(package: Path) -> set[str]:
    with zipfile.ZipFile(package) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="session")
def task(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The zip, unpacked as Lambda unpacks it into /var/task."""
    folder = tmp_path_factory.mktemp("task")
    with zipfile.ZipFile(package) as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture(scope="session")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the Lambda runtime brings, and nothing else: like /var/runtime."""
    folder = tmp_path_factory.mktemp("runtime")
    link_runtime_packages(folder)
    return folder


def test_the_runtimes_folder_holds_all_that_boto3_needs() -> None:
    """Else the test below would prove less than it says."""
    needed, asked = set(), {"boto3"}
    while asked:
        name = asked.pop()
        needed.add(name)
        try:
            found = requires(name) or []
        except PackageNotFoundError:  # pragma: no cover
            continue
        plain = {re.split(r"[^A-Za-z0-9_.-]", one)[0] for one in found if "extra ==" not in one}
        asked |= plain - needed
    assert {name.replace("python-", "") for name in needed} == set(RUNTIME_PACKAGES)


def test_the_zip_holds_the_app_its_library_and_its_requirements_and_nothing_else(root: Path, names: set[str]) -> None:
    suffixes = ("py", "pem", "json", "html", "css", "svg")
    ours = (path for suffix in suffixes for path in (root / "chalicelib").rglob(f"*.{suffix}"))
    own = {"app.py"} | {path.relative_to(root).as_posix() for path in ours}
    top = {name.split("/")[0] for name in names}
    metadata = {name for name in top if name.endswith((".dist-info", ".data"))}
    compiled = {name for name in top if name.endswith(".so")}
    assert top - metadata - compiled - {"__pycache__"} == {"app.py", "chalicelib"} | INSTALLED
    sources = {name for name in names if name.split("/")[0] in ("app.py", "chalicelib")}
    assert {name for name in sources if not name.endswith(".pyc")} == own


def test_nothing_of_the_terminals_side_and_no_secret_is_in_the_zip(names: set[str]) -> None:
    others = {"ops", "tests", "infra", ".chalice", ".git", "docs", "web"}
    others |= {"boto3", "botocore", "s3transfer", "pydantic", "click"}
    assert not others & {name.split("/")[0] for name in names}
    assert not [name for name in names if name.endswith(("secret.py", ".toml", ".env", ".pem.key"))]


def test_the_same_sources_make_the_same_zip_bit_for_bit(package: Path, root: Path, tmp_path: Path) -> None:
    """In another folder, by another command, with other times, permissions and hash seed, by pip instead of uv, and
    from a checkout that has kept nothing of an earlier package."""
    other = tmp_path / "an other" / "clone"
    shutil.copytree(package.parent.parent, other, ignore=shutil.ignore_patterns("out", "deployments", ".herald"))
    for path in sorted(other.rglob("*")):
        path.chmod(0o700)
        os.utime(path, (1_000_000_000, 1_000_000_000))
    environ = {"PYTHONHASHSEED": "7", "TZ": "Asia/Kathmandu", "UV_OFFLINE": "1", "UV_NO_CACHE": "1"}
    ran = packed(other, "--package", env=os.environ | environ, umask=0o077)
    assert "pip does it, with the same hashes" in ran.stderr
    assert len(list((other / ".herald/packing").iterdir())) == 3, "everything was read and compiled once more"
    again = other / ".chalice" / "deployments" / ran.stdout.strip()
    assert sha256(again.read_bytes()).hexdigest() == sha256(package.read_bytes()).hexdigest()


def test_the_bill_of_materials_names_what_is_in_the_zip_and_nothing_else(package: Path, root: Path) -> None:
    # Imported here alone: it takes a second, in each of the processes that collect this file.
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    text = bill(package, "2026-01-01T00-00-00Z")
    assert text == bill(package, "2026-01-01T00-00-00Z"), "nothing in it is of the moment"
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    components = {each["purl"]: each for each in json.loads(text)["components"]}
    locks = (root / "locks" / name for name in (packages.ZIP, packages.RUN))
    locked = {f"pkg:pypi/{each.replace('==', '@')}" for lock in locks for each in packages.read_lock(lock.read_text())}
    assert set(components) <= locked
    assert {purl.partition("@")[0].removeprefix("pkg:pypi/") for purl in components} == {
        name.removesuffix(".pyc").replace("_", "-") for name in INSTALLED
    }, "dnspython is left out of the zip"
    assert "unknown" not in text, "each says its licence"


def test_the_zip_is_small_and_its_size_is_told(package: Path, capsys: pytest.CaptureFixture[str]) -> None:
    size = package.stat().st_size
    with capsys.disabled():
        print(f"\n    deployment zip: {size / 1_000_000:.2f} MB")  # noqa: T201
    assert size < 2_200_000


def test_whoever_lambda_is_may_read_every_file(package: Path) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/python-package.html: Lambda uses POSIX file permissions."""
    with zipfile.ZipFile(package) as archive:
        assert [one.filename for one in archive.infolist() if (one.external_attr >> 16) & 0o044 != 0o044] == []


def test_every_module_of_ours_has_its_bytecode_beside_it_and_a_library_has_it_alone(package: Path) -> None:
    """Lambda unpacks to where nothing can be written: what is not there is compiled again at every start."""
    with zipfile.ZipFile(package) as archive:
        sources = {name for name in archive.namelist() if name.endswith(".py")}
        bytecode = {name for name in archive.namelist() if name.endswith(".pyc")}
        assert {name.split("/")[0] for name in sources} == {"app.py", "chalicelib"}
        assert {name for name in bytecode if "__pycache__" in name} == {cache_from_source(name) for name in sources}
        for name in bytecode:
            # https://peps.python.org/pep-0552/: a hash, and not to be checked.
            assert archive.read(name)[:8] == MAGIC_NUMBER + (1).to_bytes(4, "little"), name


def test_compiled_parts_are_for_the_architecture_that_is_deployed(names: set[str]) -> None:
    compiled = [name for name in names if name.endswith(".so")]
    assert all("aarch64" in name for name in compiled), compiled


def test_every_function_is_started_from_the_zip() -> None:
    there = functions_of(stage_named("local"))
    assert {it.handler for it in FUNCTIONS if it in there} <= set(FORBIDDEN)


def test_what_only_files_need_is_called_as_it_is_said_here() -> None:
    assert [name for name in FILES if find_spec(name) is None] == []


@pytest.mark.parametrize("handler", FORBIDDEN)
def test_the_zip_and_the_runtime_are_enough_for_every_handler_and_it_loads_nothing_that_is_forbidden(
    task: Path, runtime: Path, handler: str
) -> None:
    environ = {
        "AWS_LAMBDA_FUNCTION_NAME": "herald-local",
        "HERALD_STAGE": "local",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "LAMBDA_NOTIFICATIONS": "pushover=herald-local-notify_pushover",
    }
    told = json.loads(isolated(LOAD, task, runtime, handler, **environ))
    assert told["outside"] == {}
    assert told["entry"] == str(task / f"{handler.partition('.')[0]}.py")
    found = [
        name
        for name in told["modules"]
        for forbidden in (*FORBIDDEN[handler], *(() if handler == "app.examine" else FILES))
        if name == forbidden or name.startswith(f"{forbidden.rstrip('.')}.")
    ]
    assert found == []


@pytest.mark.parametrize("program", [NEED, HOOK], ids=["a form that needs more", "a webhook, which no stage has"])
def test_the_zip_is_enough_for_what_no_handler_loads_at_once(program: str, task: Path, runtime: Path) -> None:
    isolated(program, task, runtime)


OF_ONES_OWN = """

@app.lambda_function()
def mine(event: Any, context: Any) -> str:
    from aws_lambda_powertools.utilities.data_classes import LambdaFunctionUrlEvent

    return LambdaFunctionUrlEvent(event).raw_path
"""


CALL = """
import sys
from types import SimpleNamespace
sys.path[:0] = sys.argv[1:]
import app
names = ("function_name", "memory_limit_in_mb", "invoked_function_arn", "aws_request_id")
print(app.mine({"rawPath": "/found"}, SimpleNamespace(**dict.fromkeys(names, "x"))))
"""


def test_a_function_of_ones_own_finds_in_the_zip_what_it_takes_from_a_library(
    root: Path, package: Path, runtime: Path, tmp_path: Path
) -> None:
    mirror(root, tmp_path / "project")
    with (tmp_path / "project" / "app.py").open("a", encoding="utf-8") as app:
        app.write(OF_ONES_OWN)
    render.write(tmp_path / "project", render.generated(load(tmp_path / "project")))
    name = packed(tmp_path / "project", "--package").stdout.strip()
    with zipfile.ZipFile(tmp_path / "project" / ".chalice" / "deployments" / name) as archive:
        archive.extractall(tmp_path / "task")
    environ = {"HERALD_STAGE": "local", "AWS_LAMBDA_FUNCTION_NAME": "mine", "AWS_DEFAULT_REGION": "eu-central-1"}
    assert isolated(CALL, tmp_path / "task", runtime, **environ).split() == ["/found"]
