"""Secrets, read where the settings say they are, at the moment they are needed."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import structlog

from alterd_contracts.errors import InvalidSetting
from alterd_contracts.topology import SecretRef

log = structlog.get_logger(__name__)


def resolve_secret(ref: SecretRef, setting: str = "password") -> str:
    """The secret that `ref` names. `setting` names the setting in errors. Raises `InvalidSetting`."""
    if ref.env is not None:
        secret = os.environ.get(ref.env)
        if secret is None:
            raise InvalidSetting(
                f"{setting}: the environment variable {ref.env} is not set",
                hint=f"set {ref.env} for this process",
                setting=setting,
            )
    elif ref.file is not None:
        secret = _read(Path(ref.file), setting)
    else:
        raise InvalidSetting(
            f"{setting} names neither env nor file",
            hint='write { env = "NAME" } or { file = "/path" }',
            setting=setting,
        )
    if not secret:
        raise InvalidSetting(f"{setting}: the {ref} is empty", hint="put the secret there", setting=setting)
    return secret


def _read(path: Path, setting: str) -> str:
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        # of a decoding error only the kind: its text may quote the secret
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise InvalidSetting(
            f"{setting}: cannot read the file {path}: {why}",
            hint="the file must exist and be readable by this process's user",
            setting=setting,
        ) from None
    if mode & stat.S_IROTH:
        log.warning("secret.world_readable", file=str(path), hint=f"chmod o-r {path}")
    return text.removesuffix("\n").removesuffix("\r")
