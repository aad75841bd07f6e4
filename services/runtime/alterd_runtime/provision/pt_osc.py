"""pt-online-schema-change for hosts that have none: Debian's newest, unpacked in 20 s to 200 MB.

``python -m alterd_runtime.provision.pt_osc`` prints its path; steps and errors go to stderr.
"""

from __future__ import annotations

import sys

from alterd_runtime.provision.program import Provided

PT_OSC = Provided(
    name="pt-online-schema-change",
    folder="pt-osc-3.7",
    script="pt_osc_from_debian.sh",
    source="Debian's packages",
    hint="install your distribution's percona-toolkit, with Perl's DBI and DBD::mysql",
)

if __name__ == "__main__":
    sys.exit(PT_OSC.main())
