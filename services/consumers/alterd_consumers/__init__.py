"""Readers of alterd's facts: an audit log, alerts, and the plugins' observers.

Each has a durable consumer of its own on the stream of events and acknowledges a fact once it is dealt with. So none is
lost, whatever is restarted, and one may come twice: the same fact always has the same ``id``. A consumer that is
started for the first time begins with the oldest fact that is kept (90 days).
"""
