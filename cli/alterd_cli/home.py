"""The folder where a local alterd keeps its state, and how commands find a local NATS."""

from __future__ import annotations

from pathlib import Path

from alterd_runtime.provision.folders import state_folder


def folder() -> Path:
    """``$ALTERD_HOME``, else ``alterd`` in the user's state folder."""
    return state_folder()


def nats_file() -> Path:
    """Holds the URL of the NATS that ``alterd up`` runs."""
    return folder() / "nats.url"


def local_nats() -> str:
    """The URL that ``alterd up`` wrote; empty where it does not run."""
    try:
        return nats_file().read_text().strip()
    except OSError:
        return ""
