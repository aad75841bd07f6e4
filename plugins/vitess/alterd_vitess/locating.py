"""Finding the shadow's rows of source keys."""

from __future__ import annotations

from collections.abc import Sequence

from alterd_contracts.strategy import Session
from alterd_runtime.mysql.quoting import identifier
from alterd_vitess.run import Run


async def shadow_rows(run: Run, session: Session, keys: Sequence[bytes]) -> str:
    """``FROM … WHERE …`` for the shadow's rows that came from source rows with these keys.

    The shadow's columns may be named bare behind it, or with the shadow's own name before them. Good until the next
    call in this session.
    """
    where = run.mapping.key.where_in(keys, run.mapping.target_key)
    return f"FROM {identifier(run.plan.shadow)} WHERE {where}"
