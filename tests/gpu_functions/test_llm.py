"""The real server of gpu_functions/llm.py on a tiny model, asked by the real OpenAI client."""

import json
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import openai
import pytest

from filmforge.errors import NotConfigured
from gpu_functions import llm
from tests.gpu_functions import tiny_llm

START_LIMIT_S = 120
QUESTION = [{"role": "user", "content": "Where is the red door?"}]


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _wait(server: subprocess.Popen[bytes], address: str) -> None:
    for _ in range(START_LIMIT_S * 5):
        assert server.poll() is None, "the server ended by itself"
        try:
            if httpx.get(f"{address}/health", trust_env=False).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    raise AssertionError(f"no server within {START_LIMIT_S} s")


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[openai.OpenAI]:
    root = tmp_path_factory.mktemp("weights")
    tiny_llm.build(root / llm.NAME)
    port = _free_port()
    server = llm.start(root, port)
    try:
        _wait(server, f"http://127.0.0.1:{port}")
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{port}/v1")
            environment.setenv("OPENAI_API_KEY", "none")
            with openai.OpenAI() as asks:
                yield asks
    finally:
        server.terminate()
        server.wait(timeout=30)


def test_a_question_is_answered_in_the_shape_of_openai(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(
        model="llm", messages=QUESTION, max_tokens=8, temperature=0
    )
    assert answer.object == "chat.completion"
    assert answer.choices[0].message.role == "assistant"
    assert isinstance(answer.choices[0].message.content, str)
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 8


def test_an_answer_that_comes_in_pieces_is_the_answer_in_one(client: openai.OpenAI) -> None:
    whole = client.chat.completions.create(
        model="llm", messages=QUESTION, max_tokens=8, temperature=0
    )
    pieces = list(
        client.chat.completions.create(
            model="llm", messages=QUESTION, max_tokens=8, temperature=0, stream=True
        )
    )
    said = "".join(piece.choices[0].delta.content or "" for piece in pieces if piece.choices)
    assert len(pieces) > 2
    assert {piece.object for piece in pieces} == {"chat.completion.chunk"}
    assert said == whole.choices[0].message.content


def test_another_question_has_another_answer(client: openai.OpenAI) -> None:
    answers = {
        client.chat.completions.create(
            model="llm",
            messages=[{"role": "user", "content": content}],
            max_tokens=12,
            temperature=0,
        )
        .choices[0]
        .message.content
        for content in ("Who?", "Why did the lighthouse keeper leave the island?")
    }
    assert len(answers) == 2


def test_a_model_of_another_name_is_refused(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(model="another", messages=QUESTION, max_tokens=1)


def test_without_weights_the_command_to_fetch_them_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotConfigured, match="filmforge gpu download llm"):
        llm.start(tmp_path, 1)


def test_where_vllm_is_installed_it_serves_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "llm").mkdir()
    assert llm.local_command(tmp_path, 8001)[1] == "serve"
    assert Path(llm.local_command(tmp_path, 8001)[0]).name == "transformers"
    vllm = tmp_path / "bin" / "vllm"
    vllm.parent.mkdir()
    vllm.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(vllm.parent))
    assert llm.local_command(tmp_path, 8001) == llm.vllm_command(Path("llm"), "127.0.0.1", 8001)


def test_vllm_is_told_folder_name_address_and_context_and_no_key() -> None:
    command = llm.vllm_command(Path("/weights/llm"), "0.0.0.0", 8000)
    assert command[:3] == ["vllm", "serve", "/weights/llm"]
    given = dict(zip(command[3::2], command[4::2], strict=True))
    assert given == {
        "--served-model-name": "llm",
        "--host": "0.0.0.0",
        "--port": "8000",
        "--max-model-len": str(llm.CONTEXT_TOKENS),
    }
    assert "key" not in json.dumps(command)
