"""What sounds on the two sides of a line, put together piece by piece, with the truth kept beside it."""

import numpy as np

from benchmarks.rings.sounds import RATE_HZ, Random, Sound, samples, silence


class Scene:
    """The far side as one sequence, the near side (the technician) laid over it.

    Args:
        random: The call's source of chance.
        level: Peak level of the tones, dBFS.
    """

    def __init__(self, random: Random, level: float) -> None:
        self.random = random
        self.level = level
        self.rings: list[tuple[float, float]] = []
        self.tones: list[tuple[str, float, float]] = []
        self._far: list[Sound] = []
        self._near: list[tuple[int, Sound]] = []
        self._now = 0

    @property
    def now_ms(self) -> float:
        """Where the far side has come to."""
        return self._now * 1000 / RATE_HZ

    def voice_level(self) -> float:
        """A voice's peak level: from 10 dB below the tones to 10 dB above."""
        return float(np.clip(self.level + self.random.uniform(-10, 10), -45, -1))

    def wait(self, ms: float) -> None:
        """Nothing for so long."""
        self._append(silence(ms))

    def ring(self, sound: Sound, counts: bool) -> None:
        """A ring, whole or cut."""
        start = self.now_ms
        self._append(sound)
        if counts:
            self.rings.append((start, self.now_ms))
        else:
            self.tones.append(("ring_part", start, self.now_ms))

    def far(self, kind: str, sound: Sound) -> None:
        """Something that is not a ring; speech is no tone and not kept as one."""
        start = self.now_ms
        self._append(sound)
        if kind != "speech":
            self.tones.append((kind, start, self.now_ms))

    def near(self, start_ms: float, sound: Sound) -> None:
        """The near side speaks, from `start_ms` on."""
        self._near.append((samples(start_ms), sound))

    def sides(self) -> tuple[Sound, Sound]:
        """The far and the near side, equally long, at least half a second."""
        far = np.concatenate(self._far)
        length = max(len(far), samples(500), *(start + len(sound) for start, sound in self._near), 0)
        near = np.zeros(length)
        for start, sound in self._near:
            near[start : start + len(sound)] += sound
        return np.pad(far, (0, length - len(far))), near

    def _append(self, sound: Sound) -> None:
        self._far.append(sound)
        self._now += len(sound)
