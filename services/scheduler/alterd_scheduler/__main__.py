"""``python -m alterd_scheduler``"""

import sys

from alterd_runtime.service import run
from alterd_scheduler.service import main

if __name__ == "__main__":
    sys.exit(run("scheduler", lambda settings: settings.scheduler.instance, main))
