from gpu_functions.device import Device
from gpu_functions.video_wan import VideoWan
from tests.gpu_functions import tiny_video_wan
from tests.gpu_functions.video_contract import VideoContract


class ShortChunks(VideoWan):
    """Chunks short enough to make two of them here."""

    CHUNK = 13


class TestVideoWan(VideoContract):
    maker = ShortChunks
    tiny = tiny_video_wan
    LONG = "1"
    small_card = Device("cuda", "a small card", 40.0, "bfloat16")
