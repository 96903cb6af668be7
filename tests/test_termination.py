"""A run that is asked to end while its scheduler is at work."""

import subprocess
import sys

from workflow import ROOT

ASKED_AT_WORK = """
import os, signal, sys, threading
sys.path.insert(0, sys.argv[1])
from _termination import answer_beside_work

lock, answered = threading.Lock(), threading.Event()

def answer(*given):
    with lock:
        answered.set()

signal.signal(signal.SIGTERM, answer)
answer_beside_work()
with lock:
    os.kill(os.getpid(), signal.SIGTERM)
    assert not answered.wait(0.1)
assert answered.wait(60)
"""


def test_the_answer_waits_for_the_work_and_not_the_work_for_the_answer():
    subprocess.run([sys.executable, "-c", ASKED_AT_WORK, ROOT / "scripts"], check=True, timeout=120)
