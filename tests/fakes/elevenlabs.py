"""A fake ElevenLabs: speech, effects and music that answer as bytes, and a history of speech."""

import math
import re
import uuid
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from filmforge.fakeserver.answers import Silence
from tests.fakes.faults import Fault, Moment, Settings
from tests.fakes.state import FakeJob
from tests.fakes.vendor import Refusal, Vendor, serve

SPEECH = {  # characters a request, dollars a character, credits a character
    "eleven_multilingual_v2": (10_000, Decimal("0.00008"), Decimal(1)),
    "eleven_flash_v2_5": (40_000, Decimal("0.00004"), Decimal("0.5")),
    "eleven_v3": (5_000, Decimal("0.00008"), Decimal(1)),
}
EFFECT_USD_A_SECOND = Decimal("0.002")
MUSIC_USD_A_SECOND = Decimal("0.0025")
SECONDS_A_CHARACTER = 0.06
VOICE = re.compile(r"[0-9A-Za-z]{20}")
OUTPUT_FORMATS = {"mp3_44100_128"}
ERRORS = {  # our word: type, code, and the older status that may differ from the code
    "bad_request": ("validation_error", "invalid_parameters", "invalid_parameters"),
    "unauthorized": ("authentication_error", "unauthorized", "invalid_api_key"),
    "not_found": ("not_found", "history_item_not_found", "history_item_not_found"),
    "voice_not_found": ("not_found", "voice_not_found", "voice_not_found"),
    "text_too_long": ("validation_error", "text_too_long", "max_character_limit_exceeded"),
    "content_refused": ("authorization_error", "forbidden", "content_against_policy"),
    "insufficient_credits": ("payment_required", "insufficient_credits", "insufficient_credits"),
    "rate_limited": (
        "rate_limit_error", "concurrent_limit_exceeded", "too_many_concurrent_requests"
    ),
    "unavailable": ("service_unavailable", "service_unavailable", "service_unavailable"),
    "internal": ("internal_error", "internal_error", "internal_error"),
    "gone": ("not_found", "history_item_not_found", "history_item_not_found"),
}  # fmt: skip


class ElevenLabsSettings(Settings):
    """`poor` is how an account without credit is told: by the older 401 or by 402.

    `state` is what the history says of its items, `item_text` whether it tells their texts.
    """

    poor: int | None = None
    state: str | None = "created"
    item_text: bool = True


class ElevenLabs(Vendor):
    """ElevenLabs as its SDK 2.78 and its reference describe it; keys begin with sk_."""

    name = "elevenlabs"
    bill_on = "acceptance"
    content_refusal = 403
    settings_type = ElevenLabsSettings

    def routes(self) -> Sequence[BaseRoute]:
        return [
            Route("/v1/text-to-speech/{voice_id}", self.speak, methods=["POST"]),
            Route("/v1/sound-generation", self.effect, methods=["POST"]),
            Route("/v1/music", self.compose, methods=["POST"]),
            Route("/v1/history", self.history),
            Route("/v1/history/{item_id}", self.item),
            Route("/v1/history/{item_id}/audio", self.audio),
        ]

    def error_body(self, status: int, code: str, message: str) -> Any:
        if code == "quota_exceeded":
            return {"detail": {"status": code, "message": message}}
        if code.startswith("missing:"):
            name = code.removeprefix("missing:")
            issue = {"type": "missing", "loc": ["body", name], "msg": message, "input": None}
            return {"detail": [issue]}
        kind, code, older = ERRORS[code]
        return {
            "detail": {
                "type": kind, "code": code, "message": message, "status": older,
                "request_id": uuid.uuid4().hex,
            }
        }  # fmt: skip

    async def speak(self, request: Request) -> Response:
        order = await self.order(request)
        text = _required(order, "text", str)
        account = self._account(request)
        model = order.get("model_id", "eleven_multilingual_v2")
        if model not in SPEECH:
            raise Refusal(400, "bad_request", f"no such model: {model}")
        longest, usd, credits_each = SPEECH[model]
        if not VOICE.fullmatch(request.path_params["voice_id"]):
            raise Refusal(404, "voice_not_found", "A voice with that voice_id was not found.")
        if len(text) > longest:
            raise Refusal(400, "text_too_long", f"exceeds the character limit of {longest}")
        seconds = max(0.5, round(len(text) * SECONDS_A_CHARACTER, 1))
        taken = math.ceil(len(text) * credits_each)
        voiced = {"voice_id": request.path_params["voice_id"], "order": order, "credits": taken}
        return await self._make(request, account, model, text, voiced, usd * len(text), seconds)

    async def effect(self, request: Request) -> Response:
        order = await self.order(request)
        text = _required(order, "text", str)
        account = self._account(request)
        seconds = float(order.get("duration_seconds") or 2.0)
        if not 0.5 <= seconds <= 30:
            raise Refusal(400, "bad_request", "duration_seconds must be from 0.5 to 30")
        usd = EFFECT_USD_A_SECOND * Decimal(str(seconds))
        noted = {"order": order, "credits": math.ceil(40 * seconds)}
        model = order.get("model_id", "eleven_text_to_sound_v2")
        return await self._make(request, account, model, text, noted, usd, seconds)

    async def compose(self, request: Request) -> Response:
        order = await self.order(request)
        account = self._account(request)
        prompt = order.get("prompt")
        if not isinstance(prompt, str) or "seed" in order:
            raise Refusal(400, "bad_request", "give a prompt, and no seed with it")
        length_ms = order.get("music_length_ms", 10_000)
        if not isinstance(length_ms, int) or not 3_000 <= length_ms <= 600_000:
            raise Refusal(400, "bad_request", "music_length_ms must be from 3000 to 600000")
        seconds = length_ms / 1000
        usd = MUSIC_USD_A_SECOND * length_ms / 1000
        noted = {"order": order, "credits": math.ceil(15 * seconds)}
        model = order.get("model_id", "music_v1")
        return await self._make(request, account, model, prompt, noted, usd, seconds)

    async def history(self, request: Request) -> Response:
        account, asked = self._account(request), request.query_params
        size = int(asked.get("page_size", 100))
        if size > 1000:
            raise Refusal(400, "bad_request", "page_size must not exceed 1000")
        before = 2**62
        if last := asked.get("start_after_history_item_id"):
            before = self._recording(last, account).seq
        since = float(asked.get("date_after_unix", 0))
        listing = self.jobs.listing(since=since, before=before, account=account)
        voice = asked.get("voice_id")
        shown = [
            job
            for job in listing
            if "voice_id" in job.body and job.status() == "succeeded"
            if voice in (None, job.body["voice_id"])
        ]
        page = [self._item(job) for job in shown[:size]]
        return JSONResponse(
            {
                "history": page,
                "has_more": len(shown) > size,
                "last_history_item_id": page[-1]["history_item_id"] if page else None,
                "scanned_until": page[-1]["date_unix"] if page else None,
            }
        )

    async def item(self, request: Request) -> Response:
        job = self._recording(request.path_params["item_id"], self._account(request))

        def tell(word: str) -> Response:
            told = self._item(job)
            return JSONResponse(told if word == job.status() else {**told, "state": word})

        return await self.poll_answer(job, tell)

    async def audio(self, request: Request) -> Response:
        job = self._recording(request.path_params["item_id"], self._account(request))
        return await self.output_response(job, "audio/mpeg")

    async def _make(
        self, request: Request, account: str, model: str, words: str, noted: dict[str, Any],
        usd: Decimal, seconds: float,
    ) -> Response:  # fmt: skip
        if request.query_params.get("output_format") not in OUTPUT_FORMATS:
            raise Refusal(400, "bad_request", "no such output_format")
        self._refuse_poor()
        fault = self.strike(Moment.SUBMIT, words)
        if refused := self.refusal(fault):
            return refused
        job = self.jobs.accept(
            model, words, noted, usd, account=account, kind="audio", seconds=seconds,
            fate=self.strike(Moment.FATE, words), id=uuid.uuid4().hex[:20],
        )  # fmt: skip
        if math.isinf(job.ends_at):
            return Silence()
        return await self.submit_answer(fault, lambda: self._sound(job, fault))

    async def _sound(self, job: FakeJob, fault: Fault | None) -> Response:
        job = await self.until_done(job)
        if job.failure:
            return self.problem(500, "internal", job.failure.message)
        if fault and fault.fault == "accept_then_malformed":
            return Response(b"<html>not what you ordered", media_type="text/html")
        answer = await self.output_response(job, "audio/mpeg")
        answer.headers["request-id"] = job.id
        answer.headers["character-cost"] = str(job.body["credits"])
        return answer

    def _account(self, request: Request) -> str:
        key = request.headers.get("xi-api-key", "")
        if not key.startswith("sk_"):
            raise Refusal(401, "unauthorized", f"Invalid API key: {key}")
        return key

    def _refuse_poor(self) -> None:
        assert isinstance(self.settings, ElevenLabsSettings)
        if self.settings.poor == 401:
            raise Refusal(401, "quota_exceeded", "This request exceeds your quota of 10000.")
        if self.settings.poor is not None:
            raise Refusal(402, "insufficient_credits", "You do not have enough credits.")

    def _recording(self, item_id: str, account: str) -> FakeJob:
        job = self.jobs.find(item_id[::-1])
        if job is None or job.account != account or "voice_id" not in job.body:
            raise Refusal(404, "not_found", "The specified history item does not exist.")
        return job

    def _item(self, job: FakeJob) -> dict[str, Any]:
        assert isinstance(self.settings, ElevenLabsSettings)
        return {
            "history_item_id": job.id[::-1],
            "request_id": job.id,
            "voice_id": job.body["voice_id"],
            "voice_name": "George",
            "voice_category": "premade",
            "model_id": job.model,
            "text": job.words if self.settings.item_text else None,
            "source": "TTS",
            "state": self.settings.state,
            "date_unix": int(job.accepted_at),
            "character_count_change_from": 1188,
            "character_count_change_to": 1188 + job.body["credits"],
            "content_type": "audio/mpeg",
            "output_format": "mp3_44100_128",
            "settings": {"stability": 0.5, "similarity_boost": 0.75, "style": 0, "speed": 1},
            "alignments": None,
            "dialogue": None,
            "share_link_id": None,
        }


def _required(order: dict[str, Any], name: str, kind: type[Any]) -> Any:
    """Checked before the key, as the real one does."""
    if not isinstance(order.get(name), kind):
        raise Refusal(422, f"missing:{name}", "Field required")
    return order[name]


if __name__ == "__main__":
    serve(ElevenLabs)
