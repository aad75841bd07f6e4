"""What ends the demo beside MySQL, NATS and the change itself.

AlterdError
└── MigrationFailed (contracts)
    ├── LoadFailed               the writers' process
    └── ProofFailed              the table is not what the ledger says
"""

from __future__ import annotations

from alterd_contracts.errors import MigrationFailed


class LoadFailed(MigrationFailed):
    """The process of the writers ended without a result."""

    code = "load_failed"


class ProofFailed(MigrationFailed):
    """The table does not hold what was acknowledged."""

    code = "proof_failed"
