"""Signatures of callbacks by the Standard Webhooks rules, which several providers follow."""

from collections.abc import Mapping

from standardwebhooks.webhooks import EmptyWebhookSecretError, Webhook, WebhookVerificationError

from filmforge.errors import BadInput, NotConfigured

TOLERANCE_S = 300


def not_genuine() -> BadInput:
    """The one refusal of a forged, stale or unreadable callback; it tells nothing more."""
    return BadInput(
        "webhook-signature",
        "is not genuine or is stale",
        "Sign the body with the webhook secret and the time of sending.",
    )


class StandardSignature:
    """Verifies callbacks signed with one secret; the tolerance of the rules is 5 minutes.

    Raises NotConfigured for a secret that is not base64, with or without `whsec_` before it.
    """

    def __init__(self, secret: str, variable: str) -> None:
        try:
            self._webhook = Webhook(secret)
        except (ValueError, EmptyWebhookSecretError):
            problem = "must be base64, with or without whsec_ before it"
            raise NotConfigured(f"{variable} {problem}") from None

    def verify(self, headers: Mapping[str, str], body: bytes) -> str:
        """The id of a genuine callback. Raises BadInput for a forged or stale one."""
        given = {name.lower(): value for name, value in headers.items()}
        try:
            self._webhook.verify(body, given, json_parse=False)
        except (WebhookVerificationError, ValueError):
            raise not_genuine() from None
        return given["webhook-id"]
