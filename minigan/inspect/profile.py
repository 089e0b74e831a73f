"""A profile of a kernel by line of its source, and in total. No GPU is needed.

The counts are those of the emulated device, which sees every access of every lane. They are exact for the source as it
stands; a GPU's own compiler may merge or drop an access.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from minigan.devices import get_device
from minigan.devices.emulated import Emulated
from minigan.devices.emulated.profiling import LaunchProfile
from minigan.errors import SettingsError
from minigan.infogan.settings import Settings
from minigan.inspect.calls import Call, training_calls

SECTOR_BYTES = 32


@dataclass
class Counts:
    """The counts of a line, or of a kernel.

    A request is one warp's access of memory. `sectors` of 32 bytes are the traffic of requests to global memory, and `wavefronts`
    the cost of those to shared memory. The `least_` ones are the least cost of the same bytes.
    `steps` are a warp's executions of a basic block, and `lanes` the lanes that took part in them.
    `barriers` are a warp's block barriers, and `flops` additions, multiplications, divisions and
    roots.
    """

    global_requests: int = 0
    sectors: int = 0
    least_sectors: int = 0
    shared_requests: int = 0
    wavefronts: int = 0
    least_wavefronts: int = 0
    barriers: int = 0
    steps: int = 0
    lanes: int = 0
    flops: int = 0

    @property
    def active_lanes(self) -> float:
        """Return the share of a warp's 32 lanes that took part, over all basic blocks."""
        return self.lanes / (32 * self.steps) if self.steps else 1.0


@dataclass
class KernelProfile:
    """A launch: its counts by file and line, their sum, and the bytes of global memory."""

    launch: LaunchProfile
    lines: dict[Path, dict[int, Counts]]
    total: Counts

    @property
    def moved_bytes(self) -> int:
        """Bytes of the sectors that its requests touch: its traffic without any cache."""
        return self.total.sectors * SECTOR_BYTES

    @property
    def least_bytes(self) -> int:
        """Return the traffic with a perfect cache: each byte read once and written once."""
        return sum(argument.read + argument.written for argument in self.launch.arguments)

    @property
    def intensity(self) -> float:
        """FLOPs for each of the least bytes."""
        return self.total.flops / self.least_bytes if self.least_bytes else 0.0


def summarize(launch: LaunchProfile) -> KernelProfile:
    """Return the counts of a launch by line. An instruction belongs to the innermost line that it was compiled from."""
    lines: dict[Path, dict[int, Counts]] = defaultdict(lambda: defaultdict(Counts))
    total = Counts()
    for site in launch.sites:
        frame = site.frames[0] if site.frames else None
        for counts in (total, *((lines[frame.file][frame.line],) if frame else ())):
            if site.kind == "basic_block":
                counts.steps += site.requests
                counts.lanes += site.lanes
            elif site.kind == "barrier":
                counts.barriers += site.requests
            elif site.space == "global":
                counts.global_requests += site.requests
                counts.sectors += site.sectors
                counts.least_sectors += site.least_sectors
            else:
                counts.shared_requests += site.requests
                counts.wavefronts += site.wavefronts
                counts.least_wavefronts += site.least_wavefronts
    for arithmetic in launch.arithmetic:
        total.flops += arithmetic.operations
        for frame in arithmetic.frames[:1]:
            lines[frame.file][frame.line].flops += arithmetic.operations
    return KernelProfile(launch, {file: dict(found) for file, found in lines.items()}, total)


def profile_call(call: Call) -> list[KernelProfile]:
    """Return the profiles of all launches that a call of the contract makes."""
    device = get_device("emulated")
    assert isinstance(device, Emulated)
    make = call.on(device)
    with device.profiling() as launches:
        make()
    return [summarize(launch) for launch in launches]


def calls_of(kernel: str, settings: Settings) -> list[Call]:
    """Return the calls of a kernel in a training step; SettingsError names those that a step has."""
    calls = training_calls(settings)
    chosen = [call for call in calls if call.kernel == kernel]
    if not chosen:
        names = ", ".join(dict.fromkeys(call.kernel for call in calls))
        raise SettingsError(f"no step of {settings.experiment} calls '{kernel}'; it calls {names}")
    return chosen
