"""The roofline, a model: the time that moving bytes and doing arithmetic take at the rates that a vendor states."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Machine:
    """Rates that a vendor states: bytes a second, and operations a second in float32 and in dense TF32."""

    name: str
    bandwidth: float
    float32: float
    tf32: float

    def seconds(
        self, bytes: float, flops: float, product_flops: float = 0, tensor_cores: bool = False
    ) -> float:
        """Return the longer of moving the bytes and doing the arithmetic; products are done by tensor cores if asked."""
        rate = self.tf32 if tensor_cores else self.float32
        return max(bytes / self.bandwidth, flops / self.float32 + product_flops / rate)

    def bound(self, bytes: float, flops: float) -> str:
        """Return which of the two is longer, "memory" or "arithmetic"."""
        return "memory" if bytes / self.bandwidth >= flops / self.float32 else "arithmetic"


H200 = Machine("H200", 4.8e12, 67e12, 495e12)
MACHINES = {
    machine.name: machine
    for machine in (
        H200,
        Machine("H100", 3.35e12, 67e12, 495e12),  # SXM
        Machine("A100", 2.039e12, 19.5e12, 156e12),  # SXM, 80 GB
    )
}
