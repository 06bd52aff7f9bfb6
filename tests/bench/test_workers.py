"""Processes that score: what they need not do, and when they end."""

import os
import signal
import subprocess
import sys

import pytest

from emma_fusion.bench.workers import Here, usable_cores, workers

PARENT = """
import os, time
from emma_fusion.bench.workers import workers
if __name__ == "__main__":
    with workers(2) as executor:
        print(executor.submit(os.getpid).result(), flush=True)
        time.sleep(600)
"""


def test_one_process_is_this_one():
    with workers(1) as executor:
        assert isinstance(executor, Here)
        assert executor.submit(os.getpid).result() == os.getpid()
        assert isinstance(executor.submit(int, "x").exception(), ValueError)
    assert usable_cores() >= 1


@pytest.mark.slow
def test_workers_end_when_the_main_process_is_killed(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    parent = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    assert int(parent.stdout.readline()) > 0
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    # the workers have the same stdout, so it ends when the last of them does
    assert parent.stdout.read() == ""
    parent.stdout.close()
