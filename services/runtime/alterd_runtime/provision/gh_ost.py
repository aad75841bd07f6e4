"""gh-ost for hosts that have none: built from its Go module in a minute, where Go is.

``python -m alterd_runtime.provision.gh_ost`` prints its path; steps and errors go to stderr.
"""

from __future__ import annotations

import sys

from alterd_runtime.provision.program import Provided

GH_OST = Provided(
    name="gh-ost",
    folder="gh-ost-v1.1.10",
    script="gh_ost_from_go.sh",
    source="its Go module",
    hint="install gh-ost 1.1.10 or newer, or Go",
)

if __name__ == "__main__":
    sys.exit(GH_OST.main())
