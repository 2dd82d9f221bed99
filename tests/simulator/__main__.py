"""Makes one simulated run again: `python -m tests.simulator SEED`; with `-v` every call is told."""

import sys

from tests.simulator.simulation import Simulation
from tests.simulator.virtual import silent

if __name__ == "__main__":
    simulation = Simulation(int(sys.argv[1]), tells_all="-v" in sys.argv)
    with silent():
        problems = simulation.run()
    print(*simulation.history, *(f"BROKEN: {problem}" for problem in problems), sep="\n")  # noqa: T201 - the answer
    sys.exit(1 if problems else 0)
