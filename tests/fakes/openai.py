"""A fake of OpenAI's API: responses that draw in the background, speech, webhooks of a project."""

import base64
import json
import os
import time
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from filmforge.fakeserver.answers import Cut
from tests.fakes.callbacks import standard_signature
from tests.fakes.faults import Fault, Moment, Settings
from tests.fakes.state import FakeJob
from tests.fakes.vendor import DRIP_S, WRONG_OUTPUT, Refusal, Vendor, serve
from tests.fakes.wire import Drip

KEY = os.environ.get("FAKE_OPENAI_KEY", "sk-proj-fake0123456789abcdef")
WEBHOOK_SECRET = "whsec_" + base64.b64encode(b"a secret of the fake OpenAI").decode()
MICRO = Decimal("0.000001")
CALL_PRICES = {  # US dollars a million tokens
    "director_in": Decimal("0.20"),
    "director_out": Decimal("1.20"),
    "text_in": Decimal(5),
    "picture_in": Decimal(8),
    "picture_out": Decimal(30),
}
PICTURE_TOKENS = {
    ("gpt-image-2.5-flare", "low", "1280x720"): 106,
    ("gpt-image-2.5-flare", "medium", "1024x1024"): 439,
    ("gpt-image-2.5-flare", "medium", "1280x720"): 246,
    ("gpt-image-2.5-flare", "high", "1280x720"): 947,
    ("gpt-image-2.5-sunburst", "max", "1024x1024"): 7024,
    ("gpt-image-2", "high", "1536x1024"): 5488,
}
USUAL_TOKENS = 246
SPEECH_PRICES = {
    "tts-1": Decimal("0.000015"),
    "tts-1-hd": Decimal("0.00003"),
    "gpt-4o-mini-tts": Decimal("0.000016"),
}
PICTURE_MODELS = ("gpt-image-2", "gpt-image-2.5-flare", "gpt-image-2.5-sunburst")
STATUSES = {
    "queued": "queued",
    "running": "in_progress",
    "succeeded": "completed",
    "failed": "failed",
    "cancelled": "cancelled",
}
MODERATED = "Your request was rejected by the safety system. safety_violations=[violence]."
ERRORS = {
    "unauthorized": ("invalid_request_error", "invalid_api_key"),
    "content_refused": ("image_generation_user_error", "moderation_blocked"),
    "rate_limited": ("requests", "rate_limit_exceeded"),
    "unavailable": ("server_error", None),
    "internal": ("server_error", None),
    "quota": ("insufficient_quota", "credit_balance_exhausted"),
    "missing": ("invalid_request_error", "missing_required_parameter"),
    "no_model": ("invalid_request_error", "model_not_found"),
}


class OpenAISettings(Settings):
    """`webhook_url` is the address of the project's webhook endpoint, if it has one."""

    webhook_url: str = ""


class FakeOpenAI(Vendor):
    """OpenAI's API under /v1; a finished response carries its picture as base64.

    The faults of an output strike a response that was told as finished before, for the first
    telling is the poll.
    """

    name = "openai"
    content_refusal = 400
    settings_type = OpenAISettings

    def routes(self) -> Sequence[BaseRoute]:
        return [
            Route("/v1/responses", self.create, methods=["POST"]),
            Route("/v1/responses/{id}", self.retrieve),
            Route("/v1/responses/{id}/cancel", self.cancel, methods=["POST"]),
            Route("/v1/audio/speech", self.speak, methods=["POST"]),
        ]

    def error_body(self, status: int, code: str, message: str) -> Any:
        if status == 429 and code == "bad_request":
            code, message = "quota", "You exceeded your current quota, please check your plan."
        kind, word = ERRORS.get(code, ("invalid_request_error", None))
        if code == "content_refused":
            message = MODERATED
        return {"error": {"message": message, "type": kind, "param": None, "code": word}}

    def callback(self, job: FakeJob, at: float) -> tuple[dict[str, str], bytes]:
        event = {
            "object": "event",
            "id": f"evt_{job.id.removeprefix('resp_')}",
            "type": f"response.{STATUSES[job.status()]}",
            "created_at": int(at),
            "data": {"id": job.id},
        }
        body = json.dumps(event).encode()
        headers = {
            "content-type": "application/json",
            "user-agent": "OpenAI/1.0 (+https://platform.openai.com/docs/webhooks)",
            "webhook-id": f"wh_{job.id.removeprefix('resp_')}",
            "webhook-timestamp": str(int(at)),
        }
        signature = standard_signature(WEBHOOK_SECRET, headers["webhook-id"], int(at), body)
        return {**headers, "webhook-signature": signature}, body

    async def create(self, request: Request) -> Response:
        """POST /v1/responses."""
        _authorize(request)
        order = await self.order(request)
        words, pictures, tool = _read(order)
        fault = self.strike(Moment.SUBMIT, words)
        refused = self.refusal(fault)
        if refused:
            return refused
        usage = _usage(words, pictures, tool)
        wide, high = (int(side) for side in tool["size"].split("x"))
        job = self.jobs.accept(
            tool["model"],
            words,
            order,
            _cost(usage),
            webhook_url=self.settings.webhook_url or None,  # type: ignore[attr-defined] # ours
            size=(wide, high),
            fate=self.strike(Moment.FATE, words),
            id=f"resp_{time.time_ns():x}",
        )
        job = self.jobs.note(job, {"usage": usage, "told": False})
        self.callbacks.owe(job)
        return await self.submit_answer(fault, lambda: JSONResponse(_response(job, "queued")))

    async def retrieve(self, request: Request) -> Response:
        """GET /v1/responses/{id}."""
        _authorize(request)
        job = self._job(request)
        status = job.status()
        if status != "succeeded":
            return await self.poll_answer(job, lambda word: JSONResponse(self._told(job, word)))
        fault = self.strike(Moment.OUTPUT, job.words) if job.result["told"] else None
        self.jobs.note(job, {**job.result, "told": True})
        picture = WRONG_OUTPUT if _is(fault, "wrong_type_output") else await self.media(job)
        if _is(fault, "gone_output"):
            raise _no_such(job.id)
        told = self._told(job, status, base64.b64encode(picture).decode())
        body = json.dumps(told).encode()
        if _is(fault, "truncated_output"):
            return Cut(body, "application/json", 0.5)
        if fault is not None and _is(fault, "slow_drip"):
            pause_s = DRIP_S if fault.seconds is None else fault.seconds
            return Drip(body, "application/json", pause_s)
        return await self.poll_answer(
            job, lambda word: JSONResponse({**told, "status": STATUSES.get(word, word)})
        )

    async def cancel(self, request: Request) -> Response:
        """POST /v1/responses/{id}/cancel; the callback then tells of it."""
        _authorize(request)
        job = self._job(request)
        if job.status() in ("succeeded", "failed"):
            raise Refusal(400, "bad_request", "Cannot cancel a completed response.")
        job = self.jobs.cancel(job)
        self.callbacks.owe(job)
        return JSONResponse(self._told(job, job.status()))

    async def speak(self, request: Request) -> Response:
        """POST /v1/audio/speech."""
        _authorize(request)
        order = await self.order(request)
        for name in ("model", "input", "voice"):
            if not order.get(name):
                raise Refusal(400, "missing", f"Missing required parameter: '{name}'.")
        model, words = str(order["model"]), str(order["input"])
        if model not in SPEECH_PRICES:
            raise Refusal(404, "no_model", f"The model `{model}` does not exist.")
        fault = self.strike(Moment.SUBMIT, words)
        refused = self.refusal(fault)
        if refused:
            return refused
        cost = (SPEECH_PRICES[model] * len(words)).quantize(MICRO)
        job = self.jobs.accept(model, words, order, cost, kind="audio", latency_s=0)

        async def spoken() -> Response:
            answer = await self.output_response(job, "audio/mpeg")
            answer.headers["x-request-id"] = f"req_{job.id}"
            return answer

        return await self.submit_answer(fault, spoken)

    def _job(self, request: Request) -> FakeJob:
        job = self.jobs.find(request.path_params["id"])
        if job is None or time.time() > job.ends_at + self.settings.output_ttl_s:
            raise _no_such(request.path_params["id"])
        return job

    def _told(self, job: FakeJob, word: str, picture: str | None = None) -> dict[str, Any]:
        told = _response(job, STATUSES.get(word, word))
        if picture is not None:
            told["output"] = [_call(job, "completed", result=picture)]
            told["completed_at"] = int(job.ends_at)
            told |= job.result["usage"]
        if word == "failed" and job.failure:
            self._tell_failure(told, job)
        return told

    def _tell_failure(self, told: dict[str, Any], job: FakeJob) -> None:
        assert job.failure is not None
        error = {"code": job.failure.code, "message": job.failure.message}
        match job.failure.code:
            case "moderation_blocked":
                told["status"] = "completed"
                call = {**error, "param": None, "type": "image_generation_user_error"}
                told["output"] = [_call(job, "failed", error=call)]
                told |= _undrawn(job.result["usage"])
            case "refusal":
                told["status"] = "completed"
                part = {"type": "refusal", "refusal": job.failure.message}
                told["output"] = [
                    {"id": f"msg_{job.id}", "type": "message", "role": "assistant",
                     "status": "completed", "content": [part]}
                ]  # fmt: skip
                told |= _undrawn(job.result["usage"])
            case "content_filter" | "max_output_tokens":
                told["status"] = "incomplete"
                told["incomplete_details"] = {"reason": job.failure.code}
                told |= _undrawn(job.result["usage"])
            case _:
                told["error"] = error


def _authorize(request: Request) -> None:
    given = request.headers.get("authorization", "").removeprefix("Bearer ")
    if given != KEY:
        raise Refusal(
            401,
            "unauthorized",
            f"Incorrect API key provided: {given[:8]}****{given[-4:]}. You can find your API key "
            "at https://platform.openai.com/account/api-keys.",
        )


def _read(order: dict[str, Any]) -> tuple[str, int, dict[str, Any]]:
    for name in ("model", "input", "tools"):
        if not order.get(name):
            raise Refusal(400, "missing", f"Missing required parameter: '{name}'.")
    if order.get("background") and not order.get("store", True):
        raise Refusal(400, "bad_request", "Background mode requires 'store' to be true.")
    tool = order["tools"][0]
    if tool["model"] not in PICTURE_MODELS:
        raise Refusal(400, "bad_request", f"Invalid value: '{tool['model']}'.")
    if any(int(side) % 16 for side in tool["size"].split("x")):
        raise Refusal(400, "bad_request", "Width and height must be divisible by 16.")
    parts = order["input"][0]["content"]
    words = next(part["text"] for part in parts if part["type"] == "input_text")
    pictures = [part for part in parts if part["type"] == "input_image"]
    if any(not p["image_url"].startswith(("data:image/", "https://")) for p in pictures):
        raise Refusal(400, "bad_request", "Invalid 'image_url'.")
    return words, len(pictures), tool


def _usage(words: str, pictures: int, tool: dict[str, Any]) -> dict[str, Any]:
    spoken, drawn_from = len(words) // 4 + 1, 1500 * pictures
    key = (tool["model"], tool["quality"], tool["size"])
    picture = PICTURE_TOKENS.get(key, USUAL_TOKENS)
    director = {"input_tokens": 400 + spoken + drawn_from, "output_tokens": spoken + 30}
    drawn = {
        "input_tokens": spoken + 20 + drawn_from,
        "input_tokens_details": {"text_tokens": spoken + 20, "image_tokens": drawn_from},
        "output_tokens": picture,
        "output_tokens_details": {"text_tokens": 0, "image_tokens": picture},
        "total_tokens": spoken + 20 + drawn_from + picture,
    }
    return {
        "usage": {
            **director,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": sum(director.values()),
        },
        "tool_usage": {"image_gen": drawn, "web_search": {"num_requests": 0}},
    }


def _undrawn(usage: dict[str, Any]) -> dict[str, Any]:
    nothing = {
        "input_tokens": 0,
        "input_tokens_details": {"text_tokens": 0, "image_tokens": 0},
        "output_tokens": 0,
        "total_tokens": 0,
    }
    return {**usage, "tool_usage": {**usage["tool_usage"], "image_gen": nothing}}


def _cost(usage: dict[str, Any]) -> Decimal:
    director, drawn = usage["usage"], usage["tool_usage"]["image_gen"]
    tokens = {
        "director_in": director["input_tokens"],
        "director_out": director["output_tokens"],
        "text_in": drawn["input_tokens_details"]["text_tokens"],
        "picture_in": drawn["input_tokens_details"]["image_tokens"],
        "picture_out": drawn["output_tokens"],
    }
    cost = sum(CALL_PRICES[name] * count for name, count in tokens.items()) / 1_000_000
    return Decimal(cost).quantize(MICRO)


def _response(job: FakeJob, status: str) -> dict[str, Any]:
    order = job.body
    return {
        "id": job.id,
        "object": "response",
        "created_at": int(job.accepted_at),
        "status": status,
        "background": True,
        "completed_at": None,
        "error": None,
        "incomplete_details": None,
        "instructions": order.get("instructions"),
        "max_output_tokens": order.get("max_output_tokens"),
        "max_tool_calls": order.get("max_tool_calls"),
        "metadata": order.get("metadata", {}),
        "model": order["model"],
        "output": [],
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": {**order.get("reasoning", {}), "summary": None},
        "safety_identifier": None,
        "service_tier": "default",
        "store": True,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}, "verbosity": "medium"},
        "tool_choice": order.get("tool_choice", "auto"),
        "tools": order["tools"],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": None,
        "user": None,
    }


def _call(job: FakeJob, status: str, **more: Any) -> dict[str, Any]:
    tool = job.body["tools"][0]
    return {
        "id": f"ig_{job.id.removeprefix('resp_')}",
        "type": "image_generation_call",
        "status": status,
        "action": "generate",
        "background": tool.get("background", "auto"),
        "output_format": tool.get("output_format", "png"),
        "quality": tool["quality"],
        "revised_prompt": job.words,
        "size": tool["size"],
        "result": None,
        **more,
    }


def _no_such(response_id: str) -> Refusal:
    return Refusal(404, "not_found", f"Response with id '{response_id}' not found.")


def _is(fault: Fault | None, name: str) -> bool:
    return fault is not None and fault.fault == name


if __name__ == "__main__":
    serve(FakeOpenAI)
