"""`python -m worker` is `session-store`."""

from worker.startup.termination import end_at_sigterm

if __name__ == "__main__":
    end_at_sigterm()
    from worker.cli import main

    main()
