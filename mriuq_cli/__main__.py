"""Where the process begins and ends.

Ctrl-C while modules are still being imported ends it without a trace. At the end what asked for it
is told, and nothing is taken down that the system frees anyway: with torch that would take half a second.
"""

import atexit
import os
import signal
import sys
from contextlib import suppress


def main() -> None:
    """Import the command line, run it, and end the process with its exit code."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from mriuq_cli.main import main as run

    code = run()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(int(code))


if __name__ == "__main__":
    main()
