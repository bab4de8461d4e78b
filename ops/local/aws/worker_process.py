"""Run a function's code isolated from this machine; MiniStack gives it the server's environment and packages.

The process has the variables that Lambda's runtime sets (and a function can't), such as _HANDLER, AWS_REGION and the
credentials of the execution role, besides the function's own. Its home is an empty folder, so no AWS profile is found.
Python runs without ``site``, so it can import only the packages of the zip and of Lambda's runtime. All worker
processes end with the server. The workers of one package share one folder with its files, where MiniStack unpacks all
of them for each worker.

An update of a function, or its deletion, lets a worker finish the event that it handles, where MiniStack ends it in the
middle. Later events get a worker with the new code.

https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime
https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
https://docs.python.org/3/using/cmdline.html#cmdoption-S
"""

from __future__ import annotations

import contextvars
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ops.local.aws.ministack_modules import extend, lambda_runtime, lambda_svc
from ops.local.runtime_packages import link_runtime_packages

EXTENDS = (
    "ministack.core.lambda_runtime:Worker._spawn",
    "ministack.core.lambda_runtime:_RESERVED_RUNTIME_ENV_VARS",
    "ministack.core.lambda_runtime:_lock",
    "ministack.core.lambda_runtime:kill_workers",
    "ministack.core.lambda_runtime:release_worker",
    "ministack.core.lambda_runtime:reset",
    "ministack.services.lambda_svc:release_worker",
)

# Variables of the machine that a process needs to run.
_FROM_THE_MACHINE = {"PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TMPDIR", "SYSTEMROOT", "LC_ALL"}
# Variables that AWS reserves and MiniStack doesn't, and the endpoint, which this server sets.
_RESERVED = {
    "_HANDLER",
    "AWS_ENDPOINT_URL",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_RUNTIME_API",
    "LAMBDA_RUNTIME_DIR",
}
# Variables that make an SDK use other credentials than the role's. A stage may have them for Chalice's own commands,
# which then use the root user. https://docs.aws.amazon.com/sdkref/latest/guide/environment-variables.html
_CREDENTIALS = {
    "AWS_CONFIG_FILE",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_CREDENTIAL_FILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_LOGIN_CACHE_DIRECTORY",
    "AWS_PROFILE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_SECURITY_TOKEN",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "BOTO_CONFIG",
}

_spawning: contextvars.ContextVar[dict[str, Any]] = contextvars.ContextVar("herald_local_spawning")
_unpacking = threading.Lock()
_closed = False
_finishing: set[Any] = set()
"""The workers of replaced code that still handle an event."""


def install() -> None:
    """Make MiniStack start workers with Lambda's environment and packages, and let each finish its event."""
    lambda_runtime._RESERVED_RUNTIME_ENV_VARS.update(_RESERVED | _CREDENTIALS)
    link_runtime_packages(_folder("runtime"))
    _folder("home").mkdir(mode=0o500, exist_ok=True)
    _folder("packages").mkdir(exist_ok=True)
    lambda_runtime.subprocess = _Subprocess
    lambda_runtime.zipfile = _Zipfile
    extend(lambda_runtime.Worker, "_spawn", _remember_config)
    extend(lambda_runtime, "kill_workers", _kill_idle)
    for module in (lambda_runtime, lambda_svc):  # Each has the function under its own name.
        extend(module, "release_worker", _release)


def close() -> None:
    """End all workers and prevent new ones."""
    global _closed
    _closed = True
    lambda_runtime.reset()
    lambda_runtime.kill_workers(list(_finishing))


def _kill_idle(kill: Callable[[list[Any]], None], workers: list[Any]) -> None:
    """End the workers that handle no event. The others, which no new event gets, end in :func:`_release`."""
    with lambda_runtime._lock:
        busy = (
            [] if _closed else [worker for worker in workers if worker.in_use and not getattr(worker, "failed", False)]
        )
        _finishing.update(busy)
    kill([worker for worker in workers if worker not in busy])


def _release(release: Callable[[Any], None], worker: Any) -> None:
    """End the worker if its code was replaced while it handled the event."""
    release(worker)
    with lambda_runtime._lock:
        ending = worker in _finishing
        _finishing.discard(worker)
    if ending:
        lambda_runtime.kill_workers([worker])


def environment(proposed: dict[str, str], config: dict[str, Any]) -> dict[str, str]:
    """Return the environment variables for a worker of the function with this configuration.

    ``proposed`` is MiniStack's: the server's environment, the function's variables and the role's credentials.
    """
    own = (config.get("Environment") or {}).get("Variables") or {}
    reserved = lambda_runtime._RESERVED_RUNTIME_ENV_VARS
    kept = {
        name: value
        for name, value in proposed.items()
        if name in _FROM_THE_MACHINE
        or (name in own and name not in reserved)
        # Added by MiniStack for the function, not inherited from the server.
        or os.environ.get(name) != value
    }
    logs = (config.get("LoggingConfig") or {}).get("LogGroup")
    kept.update(
        {
            name: proposed[name]
            for name in (
                "AWS_ACCESS_KEY_ID",
                "AWS_SECRET_ACCESS_KEY",
                "AWS_SESSION_TOKEN",
                "AWS_REGION",
                "AWS_DEFAULT_REGION",
            )
        }
    )
    kept.update(
        {
            "_HANDLER": config.get("Handler", ""),
            "AWS_ENDPOINT_URL": os.environ["AWS_ENDPOINT_URL"],
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{config.get('Runtime', 'python')}",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(config.get("MemorySize", 128)),
            "AWS_LAMBDA_FUNCTION_NAME": config["FunctionName"],
            "AWS_LAMBDA_FUNCTION_VERSION": config.get("Version", "$LATEST"),
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_GROUP_NAME": logs or f"/aws/lambda/{config['FunctionName']}",
            # Empty, so that an SDK in the function finds no AWS profile.
            "HOME": str(_folder("home")),
            "LAMBDA_RUNTIME_DIR": str(_folder("runtime")),
            "LANG": "en_US.UTF-8",
            "PYTHONPATH": os.pathsep.join(filter(None, (own.get("PYTHONPATH"), str(_folder("runtime"))))),
            "PYTHONUTF8": "1",
            "TZ": ":UTC",
        }
    )
    return kept


def _folder(name: str) -> Path:
    """Return a folder in the server's temporary directory, which is removed when the server ends."""
    return Path(tempfile.gettempdir()) / name


def _remember_config(spawn: Callable[..., None], worker: Any, *args: Any, **kwargs: Any) -> None:
    """Keep the function's configuration while MiniStack starts its worker."""
    token = _spawning.set(worker.config)
    try:
        spawn(worker, *args, **kwargs)
    except BaseException:
        worker.failed = True  # MiniStack ends it now, and doesn't release it.
        raise
    finally:
        _spawning.reset(token)


class _Zipfile:
    """Replaces the module ``zipfile`` in MiniStack's Lambda runtime."""

    BadZipFile = zipfile.BadZipFile

    class ZipFile(zipfile.ZipFile):
        def extractall(self, path: Any = None, members: Any = None, pwd: bytes | None = None) -> None:
            """Link the worker's folder to the package's files, which are unpacked where no worker uses them yet."""
            if not str(_spawning.get().get("Runtime")).startswith("python"):
                return super().extractall(path, members, pwd)  # Node.js gets the packages of layers into this folder.
            with open(str(self.filename), "rb") as file:
                files = _folder("packages") / hashlib.file_digest(file, "sha256").hexdigest()
            with _unpacking:
                if not files.exists():
                    _remove_unused()
                    unfinished = files.with_suffix(".new")
                    unfinished.mkdir()
                    super().extractall(unfinished, members, pwd)
                    unfinished.rename(files)
                os.rmdir(path)
                os.symlink(files, path)
            return None


def _remove_unused() -> None:
    """Remove the files of packages that no worker's folder links to."""
    links = [link for link in Path(tempfile.gettempdir()).glob("ministack-lambda-*/*") if link.is_symlink()]
    used = {link.readlink() for link in links}
    for files in _folder("packages").iterdir():
        if files not in used:
            shutil.rmtree(files, ignore_errors=True)


class _Subprocess:
    """Replaces the module ``subprocess`` in MiniStack's Lambda runtime."""

    PIPE = subprocess.PIPE
    STDOUT = subprocess.STDOUT
    DEVNULL = subprocess.DEVNULL

    @staticmethod
    def Popen(args: list[str], *, env: dict[str, str], **kwargs: Any) -> subprocess.Popen[Any]:
        """Start a worker with the function's environment. Raises RuntimeError if the server is stopping."""
        if _closed:
            raise RuntimeError("the local AWS is stopping")
        if args[0] == sys.executable:
            # Hide this checkout's packages (-S) and the script's folder (-P).
            args = [args[0], "-S", "-P", *args[1:]]
        process = subprocess.Popen(args, env=environment(env, _spawning.get()), **kwargs)
        if _closed:
            # close() ran after the check above, so it missed this process.
            process.kill()
        return process
