"""The process in which a function's code runs: its environment, and that none outlives its server.

"Working with Lambda environment variables" lists what the runtime sets and a function can't: among them
_HANDLER, AWS_REGION, the function's name, version, memory, log group and stream, and the keys of its execution
role. A function sees nothing else of the machine here, either: not the environment of whoever started the stack,
not their AWS profile.

https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime
"""

from __future__ import annotations

import contextvars
import os
import subprocess
import tempfile
from collections.abc import Callable
from typing import Any

from ops.local.aws.parts import lambda_runtime, wrap

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
    "AWS_PROFILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "LAMBDA_RUNTIME_DIR",
}

_spawning: contextvars.ContextVar[dict[str, Any]] = contextvars.ContextVar("herald_local_spawning")
_closed = False


def install() -> None:
    """Give workers the environment of ``environment`` and stop them with the server."""
    lambda_runtime._RESERVED_RUNTIME_ENV_VARS.update(_RESERVED)
    lambda_runtime.subprocess = _Subprocess
    wrap(lambda_runtime.Worker, "_spawn", _remember_config)


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
            # An SDK in the function must not find the profile of the person at this machine.
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "HOME": tempfile.gettempdir(),
            "LANG": "en_US.UTF-8",
            "PYTHONUTF8": "1",
            "TZ": ":UTC",
        }
    )
    return kept


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
        process = subprocess.Popen(args, env=environment(env, _spawning.get()), **kwargs)
        if _closed:
            # Closed between the question and the start: nobody would end this one.
            process.kill()
        return process
