"""Metrics every service shares. Labels are bounded: never a migration, a table or a statement."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram, Info

BUILD = Info("alterd_build", "Version of alterd and of Python.")
NATS_RECONNECTS = Counter("alterd_nats_reconnects_total", "Reconnections to NATS.")
PUBLISHED = Counter("alterd_messages_published_total", "Messages stored in a stream.", ["type"])

INPUTS = Counter("alterd_inputs_total", "Inputs decided by the scheduler.", ["type", "result"])
STEP_SECONDS = Histogram(
    "alterd_scheduler_step_seconds",
    "From reading an input to its records and events being stored.",
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0),
)
LEADING = Gauge("alterd_scheduler_leading", "1 while this instance leads.")
MIGRATIONS = Gauge("alterd_migrations", "Open shard migrations.", ["state"])

RUNS = Gauge("alterd_executor_runs", "Attempts in this executor's hands.")
SLOTS = Gauge("alterd_executor_slots", "Attempts this executor takes at once.")
REPORTS = Counter("alterd_reports_total", "Reports of attempts.", ["type"])
CHECKS = Counter("alterd_checks_total", "Scripts tried on empty copies.", ["result"])
COLLECTED = Counter("alterd_artifacts_collected_total", "Artifacts dropped after their retention.")

REQUESTS = Counter("alterd_requests_total", "Requests taken by intake.", ["result"])

LAG_SECONDS = Gauge("alterd_replication_lag_seconds", "Replica lag by heartbeat.", ["keyspace", "shard", "server"])
THROTTLED = Gauge("alterd_throttled", "1 while the shard's verdict is wait.", ["keyspace", "shard"])
