"""Where this machine keeps what alterd unpacks and what a sandbox stores."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

CACHE_VARIABLE = "ALTERD_CACHE_DIR"
HOME_VARIABLE = "ALTERD_HOME"


def cache_folder(environ: Mapping[str, str] | None = None) -> Path:
    """What can be made again: ``$ALTERD_CACHE_DIR``, ``$XDG_CACHE_HOME/alterd``, ``~/.cache/alterd``."""
    return _folder(CACHE_VARIABLE, "XDG_CACHE_HOME", Path(".cache"), environ)


def state_folder(environ: Mapping[str, str] | None = None) -> Path:
    """What a user may keep: ``$ALTERD_HOME``, else ``$XDG_STATE_HOME/alterd``, else ``~/.local/state/alterd``."""
    return _folder(HOME_VARIABLE, "XDG_STATE_HOME", Path(".local", "state"), environ)


def _folder(own: str, xdg: str, default: Path, environ: Mapping[str, str] | None) -> Path:
    environ = os.environ if environ is None else environ
    if environ.get(own):
        return Path(environ[own]).expanduser().absolute()
    base = Path(environ.get(xdg, ""))
    # the XDG rules: a relative path there is to be ignored
    return (base if base.is_absolute() else Path.home() / default) / "alterd"
