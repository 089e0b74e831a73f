"""Ctrl-C while kernels compile ends the process at once, also inside a call that returns late or drops exceptions."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from minigan.cli.interrupting import ending_at_once

DESCRIPTORS = Path("/proc/self/fd")
# A call of C's that holds the main thread, as LLVM does, and code that drops KeyboardInterrupt, as Numba does.
BLOCKED = """
import ctypes, sys
from minigan.cli.interrupting import ending_at_once
with ending_at_once(lambda: print("cleaned up", flush=True)):
    print("ready", flush=True)
    while True:
        try:
            ctypes.CDLL(None).usleep(900_000)
        except BaseException:
            pass
"""


@pytest.mark.process
def test_it_ends_the_process_inside_a_call_that_does_not_return() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", BLOCKED], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert output == "cleaned up\n" and errors == "minigan: interrupted\n"


@pytest.mark.skipif(not DESCRIPTORS.exists(), reason="there is no /proc here")
def test_afterwards_ctrl_c_is_what_it_was() -> None:
    handler, descriptors = signal.getsignal(signal.SIGINT), len(list(DESCRIPTORS.iterdir()))
    for _ in range(3):
        with ending_at_once(lambda: None):
            assert signal.getsignal(signal.SIGINT) is not handler
    assert signal.getsignal(signal.SIGINT) is handler
    assert len(list(DESCRIPTORS.iterdir())) == descriptors
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(1)


def test_an_error_of_the_block_passes() -> None:
    with pytest.raises(ZeroDivisionError), ending_at_once(lambda: None):
        raise ZeroDivisionError
