"""Write 48 kHz stereo floats as WAV: what every mix, stem and span of a film is kept in."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream

from filmforge.errors import MediaToolFailed
from filmforge.media.listen import Samples, SoundReader
from filmforge.media.sample_clock import SAMPLE_RATE

Write = Callable[[Samples], None]


@contextmanager
def wav_writer(path: Path) -> Iterator[Write]:
    """Write 32-bit floats, block by block, as WAV (RF64 from 4 GiB on).

    The file gets its name once it is whole; a failure leaves nothing. Raises MediaToolFailed.
    """
    partial = path.with_name(f"{path.name}.part")
    options = {"rf64": "auto", "fflags": "+bitexact"}
    try:
        with av.open(f"file:{partial}", "w", format="wav", container_options=options) as wav:
            stream = wav.add_stream("pcm_f32le", rate=SAMPLE_RATE, layout="stereo")
            assert isinstance(stream, AudioStream)
            yield lambda block: wav.mux(stream.encode(sound_frame(block)))
        partial.replace(path)
    except av.FFmpegError as error:
        raise MediaToolFailed(f"the sound cannot be written: {error.strerror}") from None
    finally:
        partial.unlink(missing_ok=True)


def join_sound(paths: Sequence[Path], out: Path) -> None:
    """Write sounds one after the other, sample by sample; of one, a copy that seeks at no cost.

    Raises BadMedia and MediaToolFailed.
    """
    with wav_writer(out) as write:
        for path in paths:
            with SoundReader(path) as reader:
                for block in reader.blocks():
                    write(block)


def sound_frame(block: Samples) -> av.AudioFrame:
    """The samples as ffmpeg takes them."""
    packed = np.ascontiguousarray(block, np.float32).reshape(1, -1)
    frame = av.AudioFrame.from_ndarray(packed, format="flt", layout="stereo")
    frame.sample_rate = SAMPLE_RATE
    return frame
