"""What a worker process of these tests is told: which worker, where, and what shall befall it."""

import json
from dataclasses import asdict, dataclass

from ringtrue.settings import KafkaSettings, LogSettings

PARTITIONS = 2


@dataclass(frozen=True, slots=True)
class Job:
    """A worker process.

    Attributes:
        role: `copier` (stateless, stands in for asr), `assembler` or `manifests`.
        bootstrap: The brokers.
        prefix: Of this test's topics.
        folder: Where its caches of state lie; another folder is another machine.
        slot: Its slot.
        limit: Records in a batch.
        session_s: A member that says nothing for so long is taken for dead.
        max_poll_s: A turn that takes longer costs the partitions.
        transaction_s: A transaction that stays open for longer is aborted by the broker.
        deadline_s: How long a call is tried again.
        pause_at: The batch in whose computing the process says `computing` and waits for a line; 0 for none.
        lost_after_s: When a call is given up; 0 for the assembler's own time.
        deadly: A call whose parts kill the process that handles them.
        grown: A call whose parts bring more than the log takes.
        bucket: A folder store, for `manifests`.
        knows_newer: Whether it knows the schema of `newer.py`.
    """

    role: str
    bootstrap: str
    prefix: str
    folder: str
    slot: str = "0"
    limit: int = 5
    session_s: float = 1.5
    max_poll_s: float = 60.0
    transaction_s: float = 20.0
    deadline_s: float = 20.0
    pause_at: int = 0
    lost_after_s: float = 0.0
    deadly: str = ""
    grown: str = ""
    bucket: str = ""
    knows_newer: bool = False

    @property
    def kafka(self) -> KafkaSettings:
        """The settings of the cluster."""
        return KafkaSettings(
            bootstrap_servers=self.bootstrap,
            topic_prefix=self.prefix,
            session_timeout_s=self.session_s,
            max_poll_interval_s=self.max_poll_s,
            transaction_timeout_s=self.transaction_s,
            deadline_s=self.deadline_s,
        )

    @property
    def log(self) -> LogSettings:
        """The settings of the log."""
        return LogSettings(partitions=PARTITIONS)

    def dump(self) -> str:
        """As an argument of a process."""
        return json.dumps(asdict(self))

    @classmethod
    def load(cls, text: str) -> "Job":
        """From an argument."""
        return cls(**json.loads(text))
