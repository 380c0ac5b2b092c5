"""Settings: the only reader of the environment."""

from decimal import Decimal
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from filmforge.money import Money

FAR_WARNING = (
    "links in messages work on this machine only: set FILMFORGE_PUBLIC_URL to the address that "
    "others reach it at"
)


class Pacing(BaseModel):
    """What one account of a provider may be asked for, by all workers together."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_in_flight: int | None = Field(default=None, ge=1)
    submits_per_s: float | None = Field(default=None, gt=0)


class Settings(BaseSettings):
    """Everything an installation can choose; names in the environment are given as aliases.

    Times end in `_s` (seconds), sizes in `_bytes`. Empty values count as not set.
    """

    model_config = SettingsConfigDict(
        env_prefix="FILMFORGE_", env_ignore_empty=True, extra="ignore", populate_by_name=True
    )

    temporal_address: str = Field(default="", validation_alias="TEMPORAL_ADDRESS")
    temporal_namespace: str = Field(default="default", validation_alias="TEMPORAL_NAMESPACE")

    s3_endpoint: str = Field(default="", validation_alias="AWS_ENDPOINT_URL_S3")
    s3_bucket: str = Field(default="", validation_alias="FILMFORGE_S3_BUCKET")

    database_url: SecretStr = SecretStr("")
    work_dir: Path = Path(".filmforge/work")

    api_keys: SecretStr = SecretStr("")
    signing_key: SecretStr = SecretStr("")
    ready_file: Path | None = None
    public_url: str = "http://127.0.0.1:8700"
    allow_private_urls: bool = False

    smtp_url: SecretStr = Field(
        default=SecretStr(""), description="smtp://USER:PASSWORD@HOST:587, or smtps://…:465"
    )
    mail_from: str = Field(default="", description="such as FilmForge <films@example.com>")

    default_budget_usd: Money = Decimal("10.00")
    review_link_s: int = Field(default=7 * 86_400, ge=60)
    reminder_s: int = Field(default=86_400, ge=1)
    window: int = Field(default=64, ge=1, le=400)
    generate_slots: int = Field(default=64, ge=1, le=1_000)
    cpu_slots: int = Field(default=0, ge=0, description="0 is one for each core")
    max_asset_bytes: int = Field(default=2_000_000_000, ge=1_000)
    cut_cache_bytes: int = Field(
        default=8 * 2**30, ge=0, description="what a worker keeps of the files it used; 0 is none"
    )

    patience_s: float = Field(
        default=600, gt=0, description="how long a provider may be down before a shot waits"
    )

    gpu_weights: Path = Field(
        default=Path(".filmforge/weights"), description="where a GPU worker finds its weights"
    )
    gpu_budget_gib: float | None = Field(
        default=None, gt=0, description="of GPU memory that its worker may use; all if not said"
    )

    models_file: Path | None = Field(
        default=None, description="TOML with models and prices over those of the catalogue"
    )
    paces: dict[str, Pacing] = Field(
        default={}, description='by provider: {"fal": {"max_in_flight": 8, "submits_per_s": 2}}'
    )
    submit_timeout_s: float | None = Field(
        default=None, gt=0, description="with allow_private_urls only; None is the provider's own"
    )
    listing_lag_s: float | None = Field(default=None, ge=0, description="as above")
    callback_wait_s: float | None = Field(default=None, ge=0, description="as above")

    provenance_certificate: Path | None = Field(
        default=None, description="PEM; without it and its key files are signed for development"
    )
    provenance_key: Path | None = Field(default=None, description="PEM")
    provenance_passphrase: SecretStr = SecretStr("")
    provenance_timestamps: str = Field(default="", description="address of an RFC 3161 authority")
    player_link_s: int = Field(default=86_400, ge=1)

    fal_key: SecretStr = Field(default=SecretStr(""), validation_alias="FAL_KEY")
    fal_queue_url: str = "https://queue.fal.run"
    fal_api_url: str = "https://api.fal.ai"
    fal_jwks_url: str = "https://rest.fal.ai/.well-known/jwks.json"
    replicate_api_token: SecretStr = Field(
        default=SecretStr(""), validation_alias="REPLICATE_API_TOKEN"
    )
    replicate_base_url: str = Field(
        default="https://api.replicate.com", validation_alias="REPLICATE_BASE_URL"
    )
    replicate_webhook_secret: SecretStr = Field(
        default=SecretStr(""), validation_alias="REPLICATE_WEBHOOK_SECRET"
    )
    openai_api_key: SecretStr = Field(default=SecretStr(""), validation_alias="OPENAI_API_KEY")
    openai_base_url: str = Field(
        default="https://api.openai.com/v1", validation_alias="OPENAI_BASE_URL"
    )
    openai_webhook_secret: SecretStr = Field(
        default=SecretStr(""), validation_alias="OPENAI_WEBHOOK_SECRET"
    )
    elevenlabs_api_key: SecretStr = Field(
        default=SecretStr(""), validation_alias="ELEVENLABS_API_KEY"
    )
    elevenlabs_base_url: str = Field(
        default="https://api.elevenlabs.io", validation_alias="ELEVENLABS_BASE_URL"
    )
    runwayml_api_secret: SecretStr = Field(
        default=SecretStr(""), validation_alias="RUNWAYML_API_SECRET"
    )
    runwayml_base_url: str = Field(
        default="https://api.dev.runwayml.com", validation_alias="RUNWAYML_BASE_URL"
    )

    modal_token_id: SecretStr = Field(default=SecretStr(""), validation_alias="MODAL_TOKEN_ID")
    modal_token_secret: SecretStr = Field(
        default=SecretStr(""), validation_alias="MODAL_TOKEN_SECRET"
    )
    modal_environment: str = Field(default="main", validation_alias="MODAL_ENVIRONMENT")
    modal_server_url: str = Field(
        default="https://api.modal.com", validation_alias="MODAL_SERVER_URL"
    )

    fake_url: str = ""
    fake_webhook_secret: SecretStr = SecretStr("")
    fake_submit_timeout_s: float = Field(default=10, gt=0)
    fake_listing_lag_s: float = Field(default=1, ge=0)

    def keys(self) -> tuple[str, ...]:
        """The API keys that may call, as configured (comma separated)."""
        given = self.api_keys.get_secret_value().split(",")
        return tuple(key.strip() for key in given if key.strip())
