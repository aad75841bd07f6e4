"""The door: what this plugin registers."""

from __future__ import annotations
