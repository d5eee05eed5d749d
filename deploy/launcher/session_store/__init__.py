"""The program `session-store`, for wheels.

In the wheel `worker`, `contracts` and `sql` lie in `lib` beside this file, so that no other program of the
environment meets packages of such general names. In a checkout there is no `lib`: they are imported from its root.
"""

import sys
from pathlib import Path


def main() -> None:
    """Run the command line, and leave the process with its exit code."""
    sys.path.insert(0, str(Path(__file__).with_name("lib")))
    from worker.startup.termination import end_at_sigterm

    end_at_sigterm()
    from worker import cli

    cli.main()
