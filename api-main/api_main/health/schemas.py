"""What goes over the wire about our own health."""

from typing import Literal

from pydantic import BaseModel, Field


class Check(BaseModel):
    """One thing that we depend on."""

    status: Literal["up", "down"]
    latency_ms: float = Field(description="How long it took to answer, or to fail")


class Health(BaseModel):
    status: Literal["up", "degraded"] = Field(description="`degraded`: something is down that can be done without")
    version: str
    checks: dict[str, Check] = Field(description="By name: `database`, and `redis` where there is one")


class Alive(BaseModel):
    status: Literal["up"] = "up"
