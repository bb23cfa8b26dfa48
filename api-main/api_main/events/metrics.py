"""What live updates tell Prometheus."""

from prometheus_client import Gauge

FOLLOWERS = Gauge("live_followers", "Event streams and WebSockets that are open.")
