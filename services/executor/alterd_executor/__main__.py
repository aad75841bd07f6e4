"""``python -m alterd_executor``."""

import sys

from alterd_executor.service import main

if __name__ == "__main__":
    sys.exit(main())
