"""A language model of one's own, behind an endpoint that speaks as OpenAI's does, by vLLM.

Whatever asks a language model here does so through the `openai` client, so a step runs on this
model once `OPENAI_BASE_URL` is the address of the endpoint with `/v1`, `OPENAI_API_KEY` its key,
and the model's name is "llm". It answers chat requests by itself: it makes no works, so there is
no Maker, no bucket and no receipt, and Modal bills the seconds that its container is up.

The model is Qwen3 4B Instruct 2507 (Apache-2.0; 4.0 billion parameters, 7.5 GiB in bfloat16). On
an L4 with its 24 GB some 11 GB are left for the cache of attention; a token takes 144 KiB of it
(36 layers, 8 key and value heads of 128 numbers, 2 bytes each), so two conversations of the full
32,768 tokens fit, or dozens of a usual length. A cold start loads vLLM and the weights, which takes
minutes; `SCALEDOWN_S` keeps the container between the steps of a film. An L4 costs 0.000222 USD a
second, idle ones included. These figures are reckoned: vLLM needs a GPU, and the tests have none.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import modal

from gpu_functions import deployment
from gpu_functions.weights import Repo, Source, find

NAME = "llm"
SOURCE = Source(
    repos=(
        Repo(
            "Qwen/Qwen3-4B-Instruct-2507",
            revision="cdbee75f17c01a7cc42f958dc650907174af0554",
            licence="Apache-2.0",
        ),
    ),
    gib=7.5,
)

# The model could take eight times as many; a scene's script, its references and an answer fit here.
CONTEXT_TOKENS = 32_768
PORT = 8000
REQUESTS = 32
SCALEDOWN_S = 300
START_LIMIT_S = 600
REQUEST_LIMIT_S = 900
# VLLM_API_KEY: what a caller has to show as OPENAI_API_KEY. vLLM reads it from the environment,
# so that it stands in no list of processes.
KEY_SECRET = "filmforge-llm"  # noqa: S105 - its name


# ## The command
#
# vLLM gets the folder of the weights, never a name that it would look up at a hub.


def vllm_command(weights: Path, host: str, port: int) -> list[str]:
    """The vLLM server for the weights in a folder, known to callers as "llm"."""
    return [
        "vllm",
        "serve",
        str(weights),
        "--served-model-name",
        NAME,
        "--host",
        host,
        "--port",
        str(port),
        "--max-model-len",
        str(CONTEXT_TOKENS),
    ]


# ## Without Modal
#
# The same weights on one's own machine: by vLLM where it is installed, otherwise by the server that
# transformers brings along (it needs `fastapi`, `uvicorn` and `openai`, which FilmForge has). That
# one has no key, so it listens on the loopback only; and it knows a model by the path that it was
# started with, so it is started beside the folder "llm". It ignores `response_format`: answers of a
# given JSON schema need vLLM.


def local_command(root: Path, port: int) -> list[str]:
    """The server on this machine, to be run in `root`, the folder of all weights.

    Raises NotConfigured when there are no weights in it.
    """
    find(root, NAME, SOURCE)
    host = "127.0.0.1"
    if shutil.which("vllm"):
        return vllm_command(Path(NAME), host, port)
    transformers = Path(sys.executable).with_name("transformers")
    options = ["--host", host, "--port", str(port), "--attn-implementation", "sdpa"]
    return [str(transformers), "serve", NAME, *options]


def start(root: Path, port: int) -> subprocess.Popen[bytes]:
    """Start the server on this machine; it answers at http://127.0.0.1:PORT/v1 once it is loaded.

    It fetches nothing. Raises NotConfigured when there are no weights in `root`.
    """
    return subprocess.Popen(local_command(root, port), cwd=root, env=offline())  # noqa: S603


def offline() -> dict[str, str]:
    """The environment of a server that fetches nothing."""
    return {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_UPDATE_CHECK": "1"}


# ## On Modal
#
# vLLM compiles kernels for the GPU that it finds, which takes the CUDA compiler: hence NVIDIA's own
# image. Its packages keep the versions that vLLM pins; only what our own modules import is ours.

app = modal.App("filmforge-llm")
image = (
    modal.Image.from_registry("nvidia/cuda:13.0.1-devel-ubuntu24.04", add_python=deployment.PYTHON)
    .entrypoint([])
    .uv_pip_install(*deployment.SHARED, deployment.HUB, "vllm==0.33.0", uv_version=deployment.UV)
    .env({"HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1"})
    .add_local_python_source("filmforge", "gpu_functions")
)


@app.function(image=image, volumes=deployment.volumes(), timeout=deployment.DOWNLOAD_TIMEOUT_S)
def download() -> str:
    """Fill the volume with the weights."""
    return deployment.fetch(SOURCE, NAME)


@app.function(
    image=image,
    gpu="L4",
    volumes=deployment.volumes(),
    secrets=[modal.Secret.from_name(KEY_SECRET, required_keys=["VLLM_API_KEY"])],
    timeout=REQUEST_LIMIT_S,
    scaledown_window=SCALEDOWN_S,
    max_containers=1,
)
@modal.concurrent(max_inputs=REQUESTS)
@modal.web_server(port=PORT, startup_timeout=START_LIMIT_S)
def serve() -> None:
    """Start vLLM; Modal passes requests on as soon as its port answers."""
    weights = find(deployment.WEIGHTS, NAME)
    subprocess.Popen(vllm_command(weights, "0.0.0.0", PORT))  # noqa: S603, S104
