"""``python -m alterd_throttler``"""

import sys

from alterd_runtime.service import run
from alterd_throttler.service import main

if __name__ == "__main__":
    sys.exit(run("throttler", lambda settings: settings.throttler.instance, main))
