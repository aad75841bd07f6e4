"""``mysql``: queued and held like every managed change, its ALTER sent as it is."""

from __future__ import annotations

from alterd_contracts import __version__
from alterd_contracts.declaration import Declaration, KindDeclaration, Phase
from alterd_contracts.statement import StatementKind
from alterd_direct.asis import RUNNING, AsItIs


class Mysql(AsItIs):
    """MySQL's own ALTER; CREATE and DROP by the common runner."""

    def declare(self) -> Declaration:
        phases = (Phase(name=RUNNING),)
        return Declaration(
            strategy="mysql",
            version=__version__,
            kinds=(
                KindDeclaration(kind=StatementKind.CREATE_TABLE, phases=phases, concurrent=True, runner="statement"),
                KindDeclaration(kind=StatementKind.DROP_TABLE, phases=phases, concurrent=True, runner="statement"),
                KindDeclaration(kind=StatementKind.ALTER_TABLE, phases=(Phase(name=RUNNING, exclusive=True),)),
            ),
        )
