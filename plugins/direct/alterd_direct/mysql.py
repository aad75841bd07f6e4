"""``mysql``: queued and held like every managed change, its ALTER sent as it is."""

from __future__ import annotations

from alterd_contracts import __version__
from alterd_contracts.declaration import Declaration, KindDeclaration, Phase
from alterd_contracts.flags import QUEUE_FLAGS, RETAIN_ARTIFACTS
from alterd_contracts.statement import StatementKind
from alterd_direct.asis import RUNNING, AsItIs
from alterd_direct.statement import managed_kinds


class Mysql(AsItIs):
    """MySQL's own ALTER; CREATE, DROP and views by the common runner."""

    def declare(self) -> Declaration:
        return Declaration(
            strategy="mysql",
            version=__version__,
            kinds=(
                *managed_kinds(),
                KindDeclaration(kind=StatementKind.ALTER_TABLE, phases=(Phase(name=RUNNING, exclusive=True),)),
            ),
            flags=(*QUEUE_FLAGS, RETAIN_ARTIFACTS),
        )
