"""What HIL measures of itself while it works; a leaf that everything may import. Read at `/metrics` of each process."""

from __future__ import annotations

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram

REGISTRY_USED: CollectorRegistry = REGISTRY
BATCH_SIZE = Histogram(
    "hil_lane_batch_ports", "Ports in one device session.", buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
)
DEVICE_SECONDS = Histogram(
    "hil_device_seconds", "Time of one device session.", buckets=(0.01, 0.05, 0.1, 0.5, 1, 2, 5, 10, 30, 60, 300)
)
DRIFT = Counter("hil_drift_ports", "Ports that the audit found changed.")
