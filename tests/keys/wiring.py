"""Where a provider's key and addresses stand in the settings."""

from collections.abc import Mapping

KEYS: Mapping[str, str] = {
    "fal": "fal_key",
    "replicate": "replicate_api_token",
    "openai": "openai_api_key",
    "elevenlabs": "elevenlabs_api_key",
    "runway": "runwayml_api_secret",
}
SHAPES: Mapping[str, str] = {
    "fal": "{}:fal",
    "replicate": "r8_{}",
    "openai": "sk-proj-{}",
    "elevenlabs": "sk_{}",
    "runway": "key_{}",
}


def addresses(name: str, url: str) -> dict[str, str]:
    """The settings that lead a provider to this address."""
    if name == "fal":
        jwks = f"{url}/.well-known/jwks.json"
        return {"fal_queue_url": url, "fal_api_url": url, "fal_jwks_url": jwks}
    setting = "runwayml" if name == "runway" else name
    return {f"{setting}_base_url": f"{url}/v1" if name == "openai" else url}
