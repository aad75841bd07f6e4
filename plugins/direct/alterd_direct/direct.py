"""``direct``: through the queue like the others, and then exactly what the user wrote."""

from __future__ import annotations

from alterd_contracts import __version__
from alterd_contracts.declaration import Declaration, KindDeclaration, Phase
from alterd_contracts.flags import ALLOW_ZERO_IN_DATE
from alterd_contracts.statement import StatementKind
from alterd_direct.asis import RUNNING, AsItIs


class Direct(AsItIs):
    """Every statement as it is: DROP really drops. Cannot be postponed, reverted or throttled."""

    def declare(self) -> Declaration:
        return Declaration(
            strategy="direct",
            version=__version__,
            kinds=tuple(
                KindDeclaration(
                    kind=kind,
                    phases=(Phase(name=RUNNING, exclusive=kind is StatementKind.ALTER_TABLE),),
                    cuts_over=False,
                )
                for kind in StatementKind
            ),
            waits=True,
            flags=(ALLOW_ZERO_IN_DATE,),
        )
