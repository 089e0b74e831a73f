"""The first step of a new installation must not grow slower unnoticed."""

import pytest

from benchmarks import startup

GENEROUS = 2.5  # times the kept processor seconds: machines differ, and busy ones share caches


@pytest.mark.slow
@pytest.mark.parametrize("name", startup.SCRIPTS)
def test_a_start_takes_no_more_than_was_kept(name: str) -> None:
    kept = startup.kept()
    for case, found in startup.measure(name).items():
        assert found.processor_seconds < GENEROUS * kept[case].processor_seconds, case


def test_a_longer_run_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processor time is counted, of the process and of one that it starts; sleep is not."""
    burn = "import time\nwhile time.process_time() < 0.3: pass\n"
    helped = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {burn!r}])\n{burn}"
    monkeypatch.setitem(startup.SCRIPTS, "burn", helped)
    found = startup.measure("burn")["burn"]
    assert 0.6 <= found.processor_seconds < 5
