"""Settings of all tests."""

import os

from hypothesis import HealthCheck, settings

import minigan as mg

# No deadline: the first call of a kernel compiles it. On CI the same examples every time, so that a
# failure there is the change's own; elsewhere new ones, so that they are explored.
settings.register_profile(
    "minigan",
    deadline=None,
    derandomize="CI" in os.environ,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("minigan")

# Strict: every access of every CUDA thread is watched. What it costs is in the tests' time.
mg.get_device("emulated").strict = True
