"""``python -m alterd_consumers audit|alert|observer``"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

from alterd_consumers import alert, audit, observer
from alterd_runtime.service import Main, run


def main(argv: list[str] | None = None) -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(prog="python -m alterd_consumers", description="Readers of alterd's facts.")
    commands = parser.add_subparsers(dest="consumer", required=True)
    auditing = commands.add_parser("audit", help="each fact as a line of JSON, in order")
    auditing.add_argument("--file", type=Path, help="append to this file instead of standard output")
    commands.add_parser("alert", help="failed, stale and blocked migrations, told to a person")
    commands.add_parser("observer", help="hands each fact to the plugins")
    chosen = parser.parse_args(argv)
    services: dict[str, Main] = {
        "audit": partial(audit.main, file=getattr(chosen, "file", None)),
        "alert": alert.main,
        "observer": observer.main,
    }
    return run(chosen.consumer, lambda _: "", services[chosen.consumer])


if __name__ == "__main__":
    sys.exit(main())
