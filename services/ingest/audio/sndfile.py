"""Reading with libsndfile: WAV, RF64, AIFF, AU, FLAC, Ogg, and headerless A-law or mu-law."""

import mmap
from collections.abc import Generator

import soundfile

from services.ingest.audio import containers
from services.ingest.audio.sound import Block, Damaged, MemoryFile, Sound, Unreadable

#: libsndfile's names for what each container may turn out to be.
_FORMATS = {
    "wav": ("WAV", "WAVEX"),
    "rf64": ("RF64",),
    "aiff": ("AIFF",),
    "au": ("AU",),
    "flac": ("FLAC",),
    "ogg": ("OGG",),
    "raw": ("RAW",),
}
#: A headerless recording is a telephone's: mono at 8 kHz (ITU-T G.711).
_RAW_RATE_HZ = 8_000
#: The last page of an Ogg file tells how long it plays; encoders differ by a packet or two.
_GRANULE_SLACK_S = 0.25
# Frames per read. libsndfile gives nothing of the block in which a FLAC file breaks off, so blocks are short.
_BLOCK_FRAMES = 4_096


class _Stream(soundfile.SoundFile):  # type: ignore[misc]  # soundfile comes without types
    """A file that is read on and on. soundfile seeks after each read of a seekable file, for nothing."""

    def seekable(self) -> bool:
        return False


def open_sound(memory: mmap.mmap, container: str, raw_encoding: str = "") -> Sound:
    """Opens a file from memory; of a FLAC file the number of frames in its header is overwritten.

    Args:
        memory: The file.
        container: What it is by its magic bytes, or `raw`.
        raw_encoding: What a raw one holds: `alaw` or `mulaw`.

    Raises:
        Unreadable: libsndfile does not take it.
    """
    declared = 0
    if container == "flac":
        declared = containers.flac_frames(memory)
        containers.forget_flac_frames(memory)
    try:
        if container == "raw":
            subtype = {"alaw": "ALAW", "mulaw": "ULAW"}[raw_encoding]
            file = _Stream(MemoryFile(memory), format="RAW", subtype=subtype, samplerate=_RAW_RATE_HZ, channels=1)
        else:
            file = _Stream(MemoryFile(memory))
    except soundfile.LibsndfileError as error:
        said = error.error_string.strip(" .")
        raise Unreadable("bad_header", f"the {container} file cannot be read ({said})") from error
    if file.format not in _FORMATS[container]:
        raise Unreadable("bad_header", f"it begins like {container} but holds {file.format}")
    if container == "ogg":
        declared = int(file.frames - _GRANULE_SLACK_S * file.samplerate)
    return Sound(file.samplerate, file.channels, file.subtype, declared, _blocks(file))


def _blocks(file: soundfile.SoundFile) -> Generator[Block, None, None]:
    with file:
        while True:
            try:
                block = file.read(frames=_BLOCK_FRAMES, dtype="float32", always_2d=True)
            except soundfile.LibsndfileError as error:
                raise Damaged(str(error)) from error
            if not len(block):
                return
            yield block
