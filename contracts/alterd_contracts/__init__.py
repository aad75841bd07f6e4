"""What alterd's parts say to each other, and what a plugin needs. Imports nothing else of alterd."""

import pluggy

__version__ = "0.1.0"

PROJECT = "alterd"
ENTRY_POINT_GROUP = "alterd.plugins"
hookimpl = pluggy.HookimplMarker(PROJECT)
