"""The Kafka adapter on a simulated cluster where everything goes wrong: exactly once, whatever happens.

Each run is made by a seed: processes come and go, are killed before, within and after calls, freeze, are told that a
call timed out which took effect or will do so later, while parts of calls arrive and the state topic is compacted.
`RINGTRUE_TEST_SIMULATION_S` says how long fresh seeds are tried, `RINGTRUE_TEST_SIMULATION_SEED` repeats one of them.
"""

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.simulator.faults import MAY_HAPPEN, Fault, Listed
from tests.simulator.mutants import MUTANTS, Mutant
from tests.simulator.simulation import Course, Simulation
from tests.simulator.virtual import silent

_SECONDS = float(os.environ.get("RINGTRUE_TEST_SIMULATION_S", "30"))
_SEED = os.environ.get("RINGTRUE_TEST_SIMULATION_SEED")
#: Tried in every run, however little time it has.
_ALWAYS = range(20)
#: Among so many seeds one must notice a mutant. A run has a chance of one in ten or better.
_TRIES = 120

_FAULTS = [(name, fault) for name, faults in sorted(MAY_HAPPEN.items()) for fault in faults]


@pytest.fixture(autouse=True)
def _silent() -> Iterator[None]:
    with silent():
        yield


def check(simulation: Simulation) -> None:
    problems = simulation.run()
    if problems:
        pytest.fail(simulation.report(problems), pytrace=False)


@pytest.mark.slow
def test_every_record_is_handled_once_whatever_goes_wrong() -> None:
    if _SEED is not None:
        check(Simulation(int(_SEED)))
        return
    deadline = time.monotonic() + _SECONDS
    for seed in _ALWAYS:
        check(Simulation(seed))
    while time.monotonic() < deadline:
        check(Simulation(random.randrange(1_000, 10**9)))


@st.composite
def schedules(draw: st.DrawFn) -> Mapping[tuple[str, int], Fault]:
    """Which fault happens at which call of a name."""
    drawn = draw(st.lists(st.tuples(st.sampled_from(_FAULTS), st.integers(0, 30)), max_size=5))
    return {(name, number): fault for (name, fault), number in drawn}


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 20), faults=schedules())
def test_every_record_is_handled_once_whichever_calls_fail(seed: int, faults: Mapping[tuple[str, int], Fault]) -> None:
    simulation = Simulation(seed, Course(seconds=20.0, plan=Listed(faults, {})))
    problems = simulation.run()
    assert not problems, problems


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS.values(), ids=MUTANTS)
def test_an_adapter_without_one_of_its_precautions_is_found_out(mutant: Mutant) -> None:
    assert any(Simulation(seed, mutant.course(), mutant.clients).run() for seed in range(_TRIES))


def test_a_run_follows_from_its_seed_alone() -> None:
    told = [
        subprocess.run(
            [sys.executable, "-m", "tests.simulator", "8"],
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hash_seed in ("1", "2")
    ]
    assert told[0] == told[1]
    assert "starts" in told[0]
