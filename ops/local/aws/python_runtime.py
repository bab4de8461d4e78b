"""Report errors, context and logs as Lambda's Python runtime does, by patching MiniStack's worker script.

With MiniStack alone every error is ``Runtime.HandlerError`` without a stack trace and ends the execution environment,
output of one invocation may appear in the next one's log, and botocore is loaded before the function. Here, as on AWS:

- an error has errorMessage, errorType, requestId and stackTrace, or is a ``Runtime.…`` error such as
  ``Runtime.ImportModuleError``;
- a time-out is reported as "Task timed out after 3.00 seconds";
- an execution environment whose handler raised an exception serves the next event.

https://docs.aws.amazon.com/lambda/latest/dg/python-exceptions.html
https://docs.aws.amazon.com/lambda/latest/dg/python-context.html
https://docs.aws.amazon.com/lambda/latest/dg/troubleshooting-configuration.html
https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
"""

from __future__ import annotations

import json
import queue
import secrets
import time
from collections.abc import Callable
from typing import Any

from ops.local.aws.ministack_modules import Result, extend, lambda_runtime, lambda_svc

EXTENDS = (
    "ministack.core.lambda_runtime:_PYTHON_WORKER_SCRIPT",
    "ministack.core.lambda_runtime:Worker._drain_stderr_bounded",
    "ministack.core.lambda_runtime:Worker.invoke",
    "ministack.services.lambda_svc:_execute_function_warm",
)

# Random, so that a function's output or result can't be mistaken for these markers.
_ERROR_KEY = f"function-error-{secrets.token_hex(8)}"
_END_OF_LOG = f"end-of-log-{secrets.token_hex(8)}"
_LOG_SECONDS = 1.0

_HELPERS = r"""
import threading, linecache

def _herald_error(message, kind, frames, request_id):
    return {"errorMessage": message, "errorType": kind, "requestId": request_id,
            "stackTrace": traceback.format_list(frames)}

def _herald_init_error(error, module_name, handler_name):
    if isinstance(error, ImportError):
        return _herald_error("Unable to import module '%s': %s" % (module_name, error),
                             "Runtime.ImportModuleError", [], "")
    if isinstance(error, SyntaxError):
        return _herald_error("Syntax error in module '%s': %s" % (module_name, error),
                             "Runtime.UserCodeSyntaxError", [], "")
    if isinstance(error, AttributeError) and error.name == handler_name and module_name in sys.modules:
        return _herald_error("Handler '%s' missing on module '%s'" % (handler_name, module_name),
                             "Runtime.HandlerNotFound", [], "")
    frames = [f for f in traceback.extract_tb(error.__traceback__)
              if f.filename != __file__ and not f.filename.startswith("<frozen importlib")
              and not f.filename.endswith("importlib/__init__.py")]
    return _herald_error(str(error), type(error).__name__, frames, "")

def _herald_log(error):
    print("[ERROR] %s: %s" % (error["errorType"], error["errorMessage"]))
    if error["stackTrace"]:
        print("Traceback (most recent call last):\n" + "".join(error["stackTrace"]).rstrip("\n"))

def _herald_default(value):
    if type(value).__name__ == "Decimal":
        return float(value)
    raise TypeError("Object of type %s is not JSON serializable" % type(value).__name__)

def _herald_answer(handler, event, context):
    try:
        result = handler(event, context)
    except Exception as e:
        frames = [f for f in traceback.extract_tb(e.__traceback__) if f.filename != __file__]
        error = _herald_error(str(e), type(e).__name__, frames, context.aws_request_id)
    else:
        try:
            return json.dumps({"status": "ok", "result": result}, default=_herald_default)
        except Exception as e:
            error = _herald_error("Unable to marshal response: %s" % e, "Runtime.MarshalError", [],
                                  context.aws_request_id)
    _herald_log(error)
    return json.dumps({"status": "ok", "result": {"@ERROR_KEY@": error}})

def _herald_end_log():
    sys.stdout.flush()
    sys.stderr.write("@END_OF_LOG@\n")
    sys.stderr.flush()

def _herald_outlive_nobody(parent=os.getppid()):
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)
"""

# Text in MiniStack's worker script, and its replacement.
_REPLACEMENTS = (
    # Removed: it imports botocore, to count nested invocations. Lambda's runtime doesn't load botocore.
    ("    _ms_install_invoke_depth()\n    try:\n", "    try:\n"),
    (
        "def run():\n",
        _HELPERS + "\ndef run():\n    threading.Thread(target=_herald_outlive_nobody, daemon=True).start()\n",
    ),
    (
        r"""    except Exception as e:
        _real_stdout.write(json.dumps({"status": "error", "error": str(e)}) + "\n")
""",
        r"""    except BaseException as e:
        _herald_failed = _herald_init_error(e, module_name, handler_name)
        _real_stdout.write(json.dumps({"status": "error", "error": "@ERROR_KEY@" + json.dumps(_herald_failed)}) + "\n")
""",
    ),
    (
        '"memory_limit_in_mb": init.get("memory", 128),',
        '"memory_limit_in_mb": os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),',
    ),
    (
        r"""        try:
            result = handler_fn(event, context)
            _real_stdout.write(json.dumps({"status": "ok", "result": result}) + "\n")
        except Exception as e:
            _real_stdout.write(json.dumps({"status": "error", "error": str(e), "trace": traceback.format_exc()}) + "\n")
""",
        r"""        _herald_line = _herald_answer(handler_fn, event, context)
        _herald_end_log()
        _real_stdout.write(_herald_line + "\n")
""",
    ),
)


def install() -> None:
    """Replace the worker script, and read errors and logs in the form that it reports them."""
    lambda_runtime._PYTHON_WORKER_SCRIPT = worker_script(lambda_runtime._PYTHON_WORKER_SCRIPT)
    extend(lambda_svc, "_execute_function_warm", _with_reported_error)
    extend(lambda_runtime.Worker, "_drain_stderr_bounded", _whole_log)


def worker_script(script: str) -> str:
    """Return MiniStack's worker script with the replacements. Raises RuntimeError if one doesn't match exactly once."""
    for old, new in _REPLACEMENTS:
        if script.count(old) != 1:
            raise RuntimeError(f"MiniStack's worker script doesn't hold once: {old!r}")
        script = script.replace(old, new)
    return script.replace("@ERROR_KEY@", _ERROR_KEY).replace("@END_OF_LOG@", _END_OF_LOG)


def _with_reported_error(execute: Callable[..., Result], func: Result, event: Any, request_id: str) -> Result:
    """Run the function, and convert a reported error to Lambda's error format."""
    result = execute(func, event, request_id)
    body = result.get("body")
    if isinstance(body, dict) and not result.get("error") and set(body) == {_ERROR_KEY}:
        # The worker reports "ok" so that MiniStack keeps it: an exception doesn't end the execution environment.
        return {**result, "body": body[_ERROR_KEY], "error": True, "function_error": "Unhandled"}
    if result.get("error") and not result.get("throttle") and isinstance(body, dict):
        message = body.get("errorMessage", "")
        log = result.get("log", "")
        if _ERROR_KEY in message:
            reported = json.loads(message.split(_ERROR_KEY, 1)[1])
            log = f"[ERROR] {reported['errorType']}: {reported['errorMessage']}\n{''.join(reported['stackTrace'])}"
        elif body.get("errorType") == "Sandbox.Timedout":
            # Add the message only if the log lacks it.
            log = log if message in log else f"{log}\n{message}"
            reported = {**body, "errorMessage": f"RequestId: {request_id} Error: {message}"}
        else:
            reported = {
                "errorType": "Runtime.ExitError",
                "errorMessage": f"RequestId: {request_id} Error: Runtime exited without providing a reason",
            }
            log = f"{log}\n{message}"
        return {**result, "body": reported, "log": log, "function_error": "Unhandled"}
    return result


def _whole_log(drain: Callable[..., str], worker: Any, *args: Any, **kwargs: Any) -> str:
    """Return the complete log of one invocation: the lines up to the marker, or what came within a second."""
    if not str(worker.config.get("Runtime", "python")).startswith("python"):
        return drain(worker, *args, **kwargs)
    lines: list[str] = []
    deadline = time.monotonic() + _LOG_SECONDS
    while (left := deadline - time.monotonic()) > 0 and worker._proc is not None:
        try:
            line = worker._stderr_queue.get(timeout=left)
        except queue.Empty:
            break
        if line == _END_OF_LOG:
            return "\n".join(lines)
        lines.append(line)
    return "\n".join(filter(None, ["\n".join(lines), worker._drain_stderr()]))
