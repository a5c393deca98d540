"""Main program of a function's process, which also prints the CPU of each invocation.

It is the runtime of the local engine; the line `CPU s: 1.234` goes into the function's log.
"""

import importlib.util
import sys
import time
from pathlib import Path
from typing import Any

ENGINE_RUNTIME = Path(__file__).parents[2] / "localdev/engine/runtime_main.py"


def main(handler: str) -> None:
    """Run the handler as the local engine does, until this process is killed."""
    spec = importlib.util.spec_from_file_location("runtime_main", ENGINE_RUNTIME)
    assert spec
    assert spec.loader
    runtime: Any = importlib.util.module_from_spec(spec)
    sys.modules["runtime_main"] = runtime
    spec.loader.exec_module(runtime)
    load = runtime._load_handler

    def load_measured(name: str) -> Any:
        function = load(name)

        def measured(event: Any, context: Any) -> Any:
            began = time.process_time()
            try:
                return function(event, context)
            finally:
                print(f"CPU s: {time.process_time() - began:.4f}", flush=True)

        return measured

    runtime._load_handler = load_measured
    runtime.main(handler)


if __name__ == "__main__":
    main(sys.argv[1])
