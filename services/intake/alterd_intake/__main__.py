"""``python -m alterd_intake``"""

import sys

from alterd_intake.service import main
from alterd_runtime.service import run

if __name__ == "__main__":
    sys.exit(run("intake", lambda settings: settings.intake.instance, main))
