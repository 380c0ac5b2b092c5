"""Webhooks out: one signed call when a job ends, tried a few times."""

import asyncio
import json
import time
from datetime import UTC, datetime

import httpx
import structlog
from standardwebhooks.webhooks import EmptyWebhookSecretError, Webhook

from filmforge.errors import NotConfigured
from filmforge.fakeserver.jobs import Job, Jobs

RETRY_AFTER_S = (0.2, 1.0, 5.0)
TIMEOUT_S = 5.0

log = structlog.get_logger()


class Webhooks:
    """Calls back for each job that asked for it, signed as Standard Webhooks says.

    Raises NotConfigured for a secret that is not base64; an empty one means no callbacks.
    """

    def __init__(self, secret: str, jobs: Jobs) -> None:
        try:
            self._signer = Webhook(secret) if secret else None
        except (ValueError, EmptyWebhookSecretError):
            problem = "must be base64, with or without whsec_ before it"
            raise NotConfigured(f"FILMFORGE_FAKE_WEBHOOK_SECRET {problem}") from None
        self._jobs = jobs
        self._client = httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=False)
        self._senders: set[asyncio.Task[None]] = set()

    @property
    def ready(self) -> bool:
        """Whether there is a secret to sign with."""
        return self._signer is not None

    def resume(self) -> None:
        """Take up what a killed server still owed."""
        for job in self._jobs.owing_callbacks():
            self.owe(job)

    def owe(self, job: Job) -> None:
        """Call back when the job ends, as often as it is owed."""
        if self._signer and job.callbacks and job.ends_at < float("inf"):
            sender = asyncio.create_task(self._settle(job, self._signer))
            self._senders.add(sender)
            sender.add_done_callback(self._senders.discard)

    async def close(self) -> None:
        """Stop calling; what is owed is taken up by the next start."""
        for sender in self._senders:
            sender.cancel()
        await asyncio.gather(*self._senders, return_exceptions=True)
        await self._client.aclose()

    async def _settle(self, job: Job, signer: Webhook) -> None:
        await asyncio.sleep(max(0.0, job.ends_at - time.time()))
        for _ in range(job.callbacks):
            current = self._jobs.find(job.id)
            if current is None or current.cancelled_at is not None:
                return
            await self._deliver(current, signer)
            self._jobs.callback_settled(job.id)

    async def _deliver(self, job: Job, signer: Webhook) -> None:
        for wait_s in (*RETRY_AFTER_S, None):
            if await self._call(job, signer):
                return
            if wait_s is not None:
                await asyncio.sleep(wait_s)
        log.warning("webhook given up", request_id=job.id)

    async def _call(self, job: Job, signer: Webhook) -> bool:
        now = datetime.now(UTC)
        body = json.dumps({"request_id": job.id, "status": job.status(now.timestamp())})
        message = f"msg_{job.id}"
        headers = {
            "content-type": "application/json",
            "webhook-id": message,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": signer.sign(message, now, body),
        }
        try:
            answer = await self._client.post(str(job.webhook_url), content=body, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            log.info("webhook not delivered", request_id=job.id, error=repr(error))
            return False
        return answer.is_success
