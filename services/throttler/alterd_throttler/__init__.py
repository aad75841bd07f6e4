"""Measures each shard that somebody asks about, and says go or wait, and why."""
