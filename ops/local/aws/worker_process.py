"""The process in which a function's code runs: its environment, and that none outlives its server.

"Working with Lambda environment variables" lists what the runtime sets and a function can't: among them
_HANDLER, AWS_REGION, the function's name, version, memory, log group and stream, and the keys of its execution
role. A function sees nothing else of the machine here, either: not the environment of whoever started the stack, not
their AWS profile, as its home is an empty folder, and no package but those of its zip and of Lambda's runtime, as
Python runs without ``site``.

https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime
https://docs.python.org/3/using/cmdline.html#cmdoption-S
"""

from __future__ import annotations

import contextvars
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ops.local.aws.ministack_modules import extend, lambda_runtime
from ops.local.runtime_packages import link_runtime_packages

EXTENDS = (
    "ministack.core.lambda_runtime:Worker._spawn",
    "ministack.core.lambda_runtime:_RESERVED_RUNTIME_ENV_VARS",
    "ministack.core.lambda_runtime:reset",
)

# What a process needs of the machine to run at all.
_FROM_THE_MACHINE = {"PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TMPDIR", "SYSTEMROOT", "LC_ALL"}
# Reserved on AWS and not in MiniStack's list; and the endpoint, which only this server knows.
_RESERVED = {
    "_HANDLER",
    "AWS_ENDPOINT_URL",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_RUNTIME_API",
    "LAMBDA_RUNTIME_DIR",
}
# What leads an SDK to other keys than the role's. A stage's variables are those of Chalice's own commands, too, which
# may find the keys of the account's root by them: https://docs.aws.amazon.com/sdkref/latest/guide/environment-variables.html
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
_closed = False


def install() -> None:
    """Give workers the environment of ``environment`` and stop them with the server."""
    lambda_runtime._RESERVED_RUNTIME_ENV_VARS.update(_RESERVED | _CREDENTIALS)
    link_runtime_packages(_folder("runtime"))
    _folder("home").mkdir(mode=0o500, exist_ok=True)
    lambda_runtime.subprocess = _Subprocess
    extend(lambda_runtime.Worker, "_spawn", _remember_config)


def close() -> None:
    """End all workers, and let none start any more."""
    global _closed
    _closed = True
    lambda_runtime.reset()


def environment(proposed: dict[str, str], config: dict[str, Any]) -> dict[str, str]:
    """The environment of a worker of the function with this configuration.

    ``proposed`` is MiniStack's: the server's own environment, the function's variables, the role's keys.
    """
    own = (config.get("Environment") or {}).get("Variables") or {}
    reserved = lambda_runtime._RESERVED_RUNTIME_ENV_VARS
    kept = {
        name: value
        for name, value in proposed.items()
        if name in _FROM_THE_MACHINE
        or (name in own and name not in reserved)
        # What MiniStack added for the function, as against what it inherited.
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
            # An SDK in the function finds no profile of the person at this machine.
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
    """A folder of this server's own, which goes when it ends."""
    return Path(tempfile.gettempdir()) / name


def _remember_config(spawn: Callable[..., None], worker: Any, *args: Any, **kwargs: Any) -> None:
    token = _spawning.set(worker.config)
    try:
        spawn(worker, *args, **kwargs)
    finally:
        _spawning.reset(token)


class _Subprocess:
    """The part of ``subprocess`` that MiniStack's runtime uses."""

    PIPE = subprocess.PIPE
    STDOUT = subprocess.STDOUT
    DEVNULL = subprocess.DEVNULL

    @staticmethod
    def Popen(args: list[str], *, env: dict[str, str], **kwargs: Any) -> subprocess.Popen[Any]:
        if _closed:
            raise RuntimeError("the local AWS is stopping")
        if args[0] == sys.executable:
            # Neither this checkout's packages nor the script's own folder.
            args = [args[0], "-S", "-P", *args[1:]]
        process = subprocess.Popen(args, env=environment(env, _spawning.get()), **kwargs)
        if _closed:
            # Closed between the question and the start: nobody would end this one.
            process.kill()
        return process
