import pytest

from gpu_functions.device import Device
from gpu_functions.video_ltx import VideoLtx
from tests.gpu_functions import tiny_video_ltx
from tests.gpu_functions.video_contract import VideoContract

# diffusers gives numpy a torch tensor, which does not know numpy's new word for copying.
pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)


class ShortChunks(VideoLtx):
    """Chunks short enough to make two of them here."""

    CHUNK = 25


class TestVideoLtx(VideoContract):
    maker = ShortChunks
    tiny = tiny_video_ltx
    LONG = "1.25"
    small_card = Device("cuda", "a small card", 16.0, "bfloat16")
