"""Creates what `alterd_contracts.subjects` names."""

from __future__ import annotations

import nats.js.errors
from nats.js import JetStreamContext, api

from alterd_contracts.subjects import BUCKETS, STREAMS, Bucket, Retention, Stream
from alterd_runtime.bus.errors import translated
from alterd_runtime.bus.interruptible import interruptible

NAME_IN_USE_WITH_OTHER_CONFIG = 10058


def stream_config(stream: Stream, replicas: int) -> api.StreamConfig:
    work_queue = stream.retention is Retention.WORK_QUEUE
    return api.StreamConfig(
        name=stream.name,
        subjects=list(stream.subjects),
        retention=api.RetentionPolicy.WORK_QUEUE if work_queue else api.RetentionPolicy.LIMITS,
        max_age=stream.max_age,
        storage=api.StorageType.FILE,
        discard=api.DiscardPolicy.NEW if work_queue else api.DiscardPolicy.OLD,
        duplicate_window=stream.duplicate_window,
        deny_delete=stream.deny_delete,
        allow_direct=True,
        num_replicas=replicas,
    )


def bucket_config(bucket: Bucket, replicas: int) -> api.StreamConfig:
    return api.StreamConfig(
        name=f"KV_{bucket.name}",
        subjects=[f"$KV.{bucket.name}.>"],
        max_msgs_per_subject=1,
        storage=api.StorageType.FILE,
        discard=api.DiscardPolicy.NEW,
        duplicate_window=120,
        allow_rollup_hdrs=True,
        deny_delete=True,
        allow_direct=True,
        allow_msg_ttl=bucket.ttl_per_key,
        subject_delete_marker_ttl=bucket.markers or None,
        num_replicas=replicas,
    )


async def ensure(js: JetStreamContext, replicas: int) -> None:
    """Creates all streams and buckets; those that are there with other settings are updated.

    Raises `BusUnreachable`.
    """
    wanted = [stream_config(stream, replicas) for stream in STREAMS]
    wanted += [bucket_config(bucket, replicas) for bucket in BUCKETS]
    for config in wanted:
        with translated(f"create stream {config.name}"):
            try:
                await interruptible(js.add_stream(config))
            except nats.js.errors.BadRequestError as error:
                if error.err_code != NAME_IN_USE_WITH_OTHER_CONFIG:
                    raise
                there = await interruptible(js.stream_info(config.name or ""))
                # a service that was not told of the cluster must not take copies away
                config.num_replicas = max(replicas, there.config.num_replicas or 1)
                await interruptible(js.update_stream(config))
