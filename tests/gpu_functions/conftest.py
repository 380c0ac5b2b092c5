"""Tiny random models are made once for all tests of a file."""

import os

# Set before transformers or diffusers are imported: nothing may be fetched.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
# Models as small as these work longest on handing work from thread to thread, above all where two
# test processes share the cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")
