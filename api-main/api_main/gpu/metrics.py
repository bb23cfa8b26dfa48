"""What the way to api-gpu tells Prometheus."""

from prometheus_client import Counter, Gauge, Histogram

REQUESTS = Counter("gpu_client_requests", "Requests to api-gpu that came to an end", ["operation", "outcome"])
SECONDS = Histogram("gpu_client_request_seconds", "How long they took, waiting and retries included", ["operation"])
RETRIES = Counter("gpu_client_retries", "Attempts that were made again", ["reason"])
WAKE_UPS = Counter("gpu_client_wake_ups", "Attempts to wake api-gpu", ["outcome"])
CIRCUIT_OPEN = Gauge("gpu_client_circuit_open", "1 while api-gpu cannot start and is left alone")
