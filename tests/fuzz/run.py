"""Fuzz the readers for a while: python tests/fuzz/run.py [--minutes 10] [--only image archive checkpoint] [--seed N]

Each target has a process of its own and an equal share of the time. A finding is kept in tests/fuzz/found, where the
tests try it from then on; the exit status says whether there was one.
"""

from __future__ import annotations

import argparse
import faulthandler
import logging
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.fuzz.targets import LONGEST_S, TARGETS

ROUND = 200  # inputs between two looks at the clock
MEMORY = 6_000_000_000  # bytes of address space: PyTorch alone maps some of them


def fuzz(name: str, seconds: float, start: int, last: Path) -> None:
    """Try inputs until the time is over; each is in ``last`` before it is tried. Raises what was found."""
    target, deadline, tried = TARGETS[name], time.monotonic() + seconds, 0
    logging.disable(logging.CRITICAL)
    target.check(target.seeds()[0])  # what it imports is no input's fault
    while time.monotonic() < deadline:

        @seed(start)
        @settings(
            max_examples=ROUND, deadline=None, database=None, derandomize=False,
            phases=[Phase.generate, Phase.shrink], suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(target.inputs())
        def one_round(data: bytes) -> None:
            nonlocal tried
            tried += 1
            last.write_bytes(data)
            _watch(LONGEST_S)
            try:
                target.check(data)
            finally:
                _watch(0)

        one_round()
        start += 1
    print(f"{name}: {tried} inputs, the last seed {start - 1}, nothing found", flush=True)


def _watch(seconds: float) -> None:
    """End the process, and say where it is, after so many seconds of processor time, which other work on the machine
    does not use up, or ten times as many of any; 0: no more."""
    faulthandler.cancel_dump_traceback_later()
    if seconds:
        faulthandler.dump_traceback_later(10 * seconds, exit=True)
    if sys.platform != "win32":
        faulthandler.register(signal.SIGPROF, chain=True)  # and then what a signal does that nobody takes
        signal.setitimer(signal.ITIMER_PROF, seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0, help="in all")
    parser.add_argument("--only", nargs="+", choices=sorted(TARGETS), default=sorted(TARGETS))
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**31))
    parser.add_argument("--last", type=Path, help=argparse.SUPPRESS)  # given to the process of one target
    options = parser.parse_args()
    seconds = 60 * options.minutes / len(options.only)
    if options.last is not None:
        if sys.platform != "win32":
            import resource

            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        fuzz(options.only[0], 60 * options.minutes, options.seed, options.last)
        return
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        for name in options.only:
            last = Path(folder) / "last"
            command = [sys.executable, __file__, "--only", name, "--minutes", str(seconds / 60)]
            ended = subprocess.run([*command, "--seed", str(options.seed), "--last", str(last)])
            if ended.returncode:
                failed = True
                kept = TARGETS[name].keep(last.read_bytes()) if last.exists() else None
                print(f"{name}: found something with seed {options.seed} (status {ended.returncode}), kept as {kept}")
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
