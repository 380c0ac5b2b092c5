"""Tiny random models are made once for all tests of a file."""

import os

# Set before transformers or diffusers are imported: nothing may be fetched.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
