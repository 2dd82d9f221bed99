"""What happens in a call, case by case: who sounds when on the two sides of the line."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.rings import sounds, voices
from benchmarks.rings.scene import Scene
from benchmarks.rings.sounds import Random, Sound
from benchmarks.rings.tones import NationalTones, Ringing

#: Endings that cut the last ring.
_CUT = ("answered_in_ring", "hung_up_in_ring")
#: No listener could say on which side of one half a cut lies that is closer.
_UNCLEAR_HALF = (0.47, 0.53)


@dataclass(frozen=True, slots=True)
class Network:
    """A country's tones, and which of its ringing tones and cadences this call has."""

    tones: NationalTones
    ringing: Ringing
    cadence_ms: tuple[float, ...]


def play_ringing(scene: Scene, network: Network, case: str, ending: str) -> None:
    """A call in which it rings: what comes before, the rings, what is laid over them, what comes after."""
    random = scene.random
    _before(scene, case)
    detune = 1 + random.uniform(-0.003, 0.003)
    if case == "detuned":
        detune = 1 + float(random.choice([-1, 1])) * random.uniform(0.007, 0.015)
    hertz = [component * detune for component in network.ringing.frequencies_hz]
    pace = random.uniform(0.98, 1.02)
    rings = int(random.integers(13, 31)) if case == "many_rings" else int(min(random.geometric(0.22), 12))
    if not network.tones.certain:
        # How long a whole ring is can only be heard where one is.
        rings = max(rings, 1 + (case == "cut_by_start") + (ending in _CUT))
    ringing_from = scene.now_ms
    for number in range(rings):
        own = [max(20.0, part * pace + random.normal(0, 4)) for part in network.cadence_ms]
        last = number == rings - 1
        heard, cut_at_start = 1.0, case == "cut_by_start" and number == 0
        if cut_at_start:
            heard = _cut(random, just_under=0.3)
        elif last and ending in _CUT:
            heard = _cut(random, just_under=0.2)
        ring = _ring(hertz, network.ringing.modulated_hz, own, scene.level, heard, cut_at_start)
        scene.ring(ring, counts=heard >= 0.5)
        pause = own[-1]
        if last:
            pause = 0.0 if ending in _CUT else pause * random.uniform(0.1, 1)
        elif case == "speech_between" and random.random() < 0.6:
            margin = random.uniform(120, 400)
            scene.near(scene.now_ms + margin, voices.speech(max(0, pause - 2 * margin), scene.voice_level(), random))
        scene.wait(pause)
    if case == "speech_over":
        for _ in range(int(random.integers(1, 4))):
            length = random.uniform(800, 5000)
            start = random.uniform(ringing_from, max(ringing_from + 1, scene.now_ms - length))
            scene.near(start, voices.speech(length, scene.voice_level(), random))
    _after(scene, network, ending)


def play_without_rings(scene: Scene, network: Network, case: str) -> None:
    """Half a minute to a minute and a half of what is not ringing."""
    random, until = scene.random, scene.random.uniform(30_000, 90_000)
    scene.wait(random.uniform(100, 2000))
    makers = {"singing": voices.singing, "whistling": voices.whistling, "music": voices.music}
    while scene.now_ms < until:
        if case == "line_only":
            scene.wait(until - scene.now_ms + 1)  # one more: a rest of less than a sample would never pass
        elif case == "speech_only":
            _conversation(scene, 20_000)
        elif case == "other_tones":
            kind = str(random.choice(["busy", "congestion", "sit", "fax", "dtmf", "dial"]))
            _not_ringing(scene, network, kind)
            scene.wait(random.uniform(500, 5000))
        else:
            scene.far("music", makers[case](random.uniform(5000, 25_000), scene.level, random))
            scene.wait(random.uniform(200, 3000))
            if random.random() < 0.4:
                _conversation(scene, random.uniform(2000, 8000))


def play_custom_ringback(scene: Scene) -> None:
    """Music from the start, then perhaps an answer."""
    random = scene.random
    scene.wait(random.uniform(50, 1500))
    scene.far("music", voices.music(random.uniform(8000, 35_000), scene.level, random))
    if random.random() < 0.7:
        scene.wait(random.uniform(30, 700))
        _conversation(scene, random.uniform(2000, 12_000))


def _cut(random: Random, just_under: float) -> float:
    """What part of a ring is heard: in a share of the calls just under one half, else from there to all of it."""
    if random.random() < just_under:
        return float(random.uniform(0.40, _UNCLEAR_HALF[0]))
    return float(random.uniform(_UNCLEAR_HALF[1], 1.0))


def _ring(
    hertz: Sequence[float], modulated_hz: float, cadence: Sequence[float], level: float, heard: float, keep_end: bool
) -> Sound:
    """One ring without its last pause, `heard` of its sound kept, from its end or from its start."""
    spans = [(ms, place % 2 == 0) for place, ms in enumerate(cadence[:-1])]
    left = heard * sum(ms for ms, sounding in spans if sounding)
    parts: list[Sound] = []
    for ms, sounding in reversed(spans) if keep_end else spans:
        kept = min(ms, left) if sounding else ms
        parts.append(sounds.tone(hertz, kept, level, modulated_hz) if sounding else sounds.silence(kept))
        left -= kept if sounding else 0
        if left <= 0:
            break
    return np.concatenate(parts[::-1] if keep_end else parts)


def _before(scene: Scene, case: str) -> None:
    random = scene.random
    if case == "speech_before":
        scene.far("speech", voices.speech(random.uniform(1500, 12_000), scene.voice_level(), random))
    elif case == "beyond_a_minute":
        until = random.uniform(61_000, 120_000)
        while scene.now_ms < until:
            scene.far("speech", voices.speech(random.uniform(2000, 9000), scene.voice_level(), random))
            scene.wait(random.uniform(500, 6000))
    elif case == "dtmf_before":
        scene.wait(random.uniform(200, 2000))
        scene.far("dtmf", sounds.dtmf(int(random.integers(3, 12)), scene.level, random))
    if case != "cut_by_start":
        scene.wait(random.uniform(150, 3500))


def _after(scene: Scene, network: Network, ending: str) -> None:
    random = scene.random
    if ending.startswith("hung_up"):
        return
    if ending.startswith("answered"):
        scene.wait(random.uniform(30, 700))
        _conversation(scene, random.uniform(3000, 15_000))
    elif ending == "voicemail":
        scene.wait(random.uniform(100, 1500))
        if random.random() < 0.8:
            scene.far("speech", voices.speech(random.uniform(2000, 9000), scene.voice_level(), random))
            scene.wait(random.uniform(150, 900))
        scene.far("voicemail", sounds.tone([random.uniform(595, 645)], random.uniform(250, 400), scene.level))
        scene.wait(random.uniform(500, 3000))
    elif ending == "fax":
        scene.wait(random.uniform(100, 1500))
        scene.far("fax", sounds.fax_answering(scene.level, random))
        scene.wait(500)
    elif ending == "hold_music":
        scene.wait(random.uniform(30, 700))
        _conversation(scene, random.uniform(1000, 4000))
        scene.far("music", voices.music(random.uniform(5000, 20_000), scene.level, random))
    else:
        scene.wait(random.uniform(50, 1500))
        _not_ringing(scene, network, ending)
        scene.wait(random.uniform(0, 1000))


def _not_ringing(scene: Scene, network: Network, kind: str) -> None:
    random = scene.random
    if kind == "sit":
        scene.far("sit", sounds.special_information(int(random.integers(1, 4)), scene.level))
        scene.far("speech", voices.speech(random.uniform(2000, 6000), scene.voice_level(), random))
    elif kind == "fax":
        if random.random() < 0.5:
            scene.far("fax", sounds.fax_calling(int(random.integers(2, 8)), scene.level))
        else:
            scene.far("fax", sounds.fax_answering(scene.level, random))
    elif kind == "dtmf":
        scene.far("dtmf", sounds.dtmf(int(random.integers(4, 20)), scene.level, random))
    elif kind == "dial":
        dial_hz = network.tones.dial_hz or network.ringing.frequencies_hz
        scene.far("dial", sounds.tone(dial_hz, random.uniform(3500, 12_000), scene.level))
    else:
        spec = network.tones.busy if kind == "busy" else network.tones.congestion
        # A network with one frequency has it for all of its tones.
        single = len(spec.frequencies_hz) == len(network.ringing.frequencies_hz) == 1
        hertz = network.ringing.frequencies_hz if single else spec.frequencies_hz
        cycles = int(random.integers(4, 26))
        scene.far(kind, sounds.cadenced(hertz, spec.cadence_ms, cycles, scene.level, spec.every_second_db))


def _conversation(scene: Scene, ms: float) -> None:
    """Two people take turns, one on each side of the line."""
    random, until = scene.random, scene.now_ms + ms
    while scene.now_ms < until:
        turn = voices.speech(random.uniform(700, 4000), scene.voice_level(), random)
        if random.random() < 0.5:
            scene.far("speech", turn)
        else:
            scene.near(scene.now_ms, turn)
            scene.wait(len(turn) * 1000 / sounds.RATE_HZ)
        scene.wait(random.uniform(50, 900))
