"""What a rank says to the others, and how long it waits for them to hear it."""

import os
import signal
import subprocess
import sys
import time

import pytest
from lightning.fabric.plugins.environments import LightningEnvironment

from swaplab.stopping import Requests
from swaplab.training import watch
from swaplab.training.launch import Ranks
from swaplab.training.watch import Watch

STORE = """
import sys, time, torch.distributed as dist
store = dist.TCPStore("localhost", 0, None, True)
print(store.port, flush=True)
time.sleep(600)
"""


def test_a_rank_that_is_done_does_not_wait_for_a_rank_0_that_stalls(monkeypatch: pytest.MonkeyPatch) -> None:
    main = subprocess.Popen([sys.executable, "-c", STORE], stdout=subprocess.PIPE, text=True)
    try:
        assert main.stdout is not None
        monkeypatch.setenv("MASTER_ADDR", "localhost")
        monkeypatch.setenv("MASTER_PORT", main.stdout.readline().strip())
        monkeypatch.setattr(watch, "BEAT", 0.1)
        other = Watch(Ranks(1, 2, 1, LightningEnvironment()), lambda reason: None, Requests(None))
        other.join()
        os.kill(main.pid, signal.SIGSTOP)
        time.sleep(5 * watch.BEAT)  # until a beat waits for an answer: a word that is only sent waits for none
        begin = time.monotonic()
        other.leave()
        waited = time.monotonic() - begin
        assert watch.SILENCE * watch.BEAT <= waited < 10  # it does try
    finally:
        main.kill()
        main.communicate()
