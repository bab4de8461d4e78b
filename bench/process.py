"""Measure one cold start and some warm requests from inside a fresh process.

Run it as ``python -I -S -B process.py SPEC RESULT``. Isolated and without site-packages, Python finds only the files of
the function and of the runtime. This file imports no more than it needs.
"""

import json
import os
import sys
from time import perf_counter, process_time


class Context:
    """The context object that Lambda passes to a function together with the event."""

    aws_request_id = "8476a536-e9f4-11e8-9739-2dfe598c3fcd"
    function_name = "herald-local"
    function_version = "$LATEST"
    memory_limit_in_mb = 512
    log_group_name = "/aws/lambda/herald-local"
    log_stream_name = "2026/01/01/[$LATEST]0"

    def __init__(self, function_arn):
        self.invoked_function_arn = function_arn

    def get_remaining_time_in_millis(self):
        return 60_000


def peak():
    """Return the peak memory in kB (proc_pid_status(5)). getrusage would include the process that forked this one."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))


def main(spec_file, result_file):
    with open(spec_file) as file:
        spec = json.load(file)
    event = json.dumps(spec["event"])
    expected = spec["expected"]
    context = Context(spec["arn"])
    sys.path[:0] = spec["path"]
    os.chdir(spec["path"][0])
    module, _, name = spec["handler"].rpartition(".")
    at_start = set(sys.modules)

    start, computed = perf_counter(), process_time()
    handler = getattr(__import__(module), name)
    imported = perf_counter()
    answer = handler(json.loads(event), context)
    first, computed = perf_counter(), process_time() - computed

    modules = sorted(set(sys.modules) - at_start)
    warm = []
    for _ in range(spec["warm"]):
        fresh = json.loads(event)
        before = perf_counter()
        answer = handler(fresh, context)
        warm.append(perf_counter() - before)
    if expected not in json.dumps(answer):
        raise SystemExit(f"{spec['handler']} answered {answer}")
    result = {
        "import": imported - start,
        "first": first - imported,
        "computed": computed,
        "warm": warm,
        "modules": modules,
        "memory": peak(),
    }
    with open(result_file, "w") as file:
        json.dump(result, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
