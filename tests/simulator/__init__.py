"""Kafka as our adapter sees it, simulated: deterministic from a seed, on virtual time, with faults at every call.

    schedule        turns and time: a baton that virtual time passes with, or real threads and a lock
    partition       the log of one partition: control records, last stable offset, compaction
    transactions    the transaction coordinator
    groups          the group coordinator; `members`, `positions`
    world           the cluster of all these
    consumer        clients in the place of confluent_kafka's; `membership`, `fetching`, `producer`, `outbox`, `ending`,
                    `admin`, `calls`; `clients` hands them to the adapter
    faults          what goes wrong, and when
    workload        what the processes work on, and what must hold; `virtual` puts the worker's loop on virtual time
    simulation      one run; `python -m tests.simulator SEED` makes it again
    mutants         adapters broken on purpose

`test_truth_of_transactions.py` and `test_truth_of_groups.py` ask the same of a real broker (`truth` has what they
share), `test_world.py` what a real one does only now and then. The runs themselves are in
`tests/unit/streaming/test_simulation.py`; the contract suite runs on the simulated cluster too.
"""
