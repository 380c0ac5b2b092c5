"""Which providers this installation has, made when they are first asked for."""

import os
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, suppress
from datetime import date
from decimal import Decimal
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from pydantic import SecretStr

from filmforge.domain import Kind
from filmforge.errors import BadInput, NotConfigured
from filmforge.providers.base import Provider, Terms
from filmforge.providers.catalogue import Model, Price, Unit, load_models
from filmforge.settings import Pacing, Settings

if TYPE_CHECKING:
    from filmforge.providers.local import WorkQueue

FetchAsset = Callable[[str, Path], Awaitable[None]]
Factory = Callable[[], Provider]

OWN = ("preview", "fake")  # their models are made here and cannot be added to


class Registry:
    """The providers by name; each is made once, by its factory, when it is first asked for."""

    def __init__(self, factories: Mapping[str, Factory]) -> None:
        self._factories = dict(factories)
        self._made: dict[str, Provider] = {}
        self._making = Lock()

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the providers, configured or not."""
        return tuple(sorted(self._factories))

    def get(self, name: str) -> Provider:
        """The provider of that name.

        Raises BadInput when there is none, NotConfigured when it lacks its key or address.
        """
        return self._get(name, "provider")

    def model(self, ref: str, kind: Kind, makes: str = "speech") -> tuple[Provider, Model]:
        """The provider and the model that "provider:model" names; `makes` tells sounds apart.

        Raises BadInput naming what exists when there is none that makes this kind, and
        NotConfigured when the provider lacks its key or address.
        """
        field = f"providers.{kind.value}"
        name, _, model_id = ref.partition(":")
        provider = self._get(name, field)
        model = provider.models().get(model_id)
        if model is not None and _fits(model, kind, makes):
            return provider, model
        known = sorted(m.id for m in provider.models().values() if _fits(m, kind, makes))
        remedy = f"Use one of: {', '.join(f'{name}:{m}' for m in known)}."
        if not known:
            wanted = makes if kind is Kind.AUDIO else kind.value
            remedy = f"Use a provider that makes {wanted}."
        elif model is None and name not in OWN:
            remedy += " Or give the model and its price in FILMFORGE_MODELS_FILE."
        problem = f"no model {model_id!r} with a known price"
        if model is not None:
            problem = f"{model_id!r} makes {model.makes or model.kind.value}"
        raise BadInput(field, f"{name}: {problem}", remedy)

    def makers(self, kind: Kind, makes: str) -> list[str]:
        """Every model of a configured provider that makes this, as "provider:model"."""
        found = []
        for name in self.names:
            with suppress(NotConfigured):
                models = self.get(name).models().values()
                found += [f"{name}:{m.id}" for m in models if _fits(m, kind, makes)]
        return found

    async def close(self) -> None:
        """Close every provider that was made, also when one of them fails to."""
        async with AsyncExitStack() as stack:
            for provider in self._made.values():
                stack.push_async_callback(provider.close)
            self._made.clear()

    def _get(self, name: str, field: str) -> Provider:
        if name not in self._factories:
            known = ", ".join(self.names)
            raise BadInput(field, f"no provider {name!r}", f"Use one of: {known}.")
        with self._making:
            if name not in self._made:
                self._made[name] = self._factories[name]()
            return self._made[name]


def _fits(model: Model, kind: Kind, makes: str) -> bool:
    return model.kind is kind and model.makes in (None, makes)


def build_registry(
    settings: Settings, fetch_asset: FetchAsset, queue: "WorkQueue | None" = None
) -> Registry:
    """The providers of this installation; `fetch_asset` writes an asset's bytes to a path.

    `queue` is where works wait for one's own GPU. Nothing is imported or started before a
    provider is asked for.
    """

    def preview() -> Provider:
        from filmforge.providers.preview import PreviewProvider

        processes = settings.cpu_slots or os.cpu_count() or 1
        return PreviewProvider(settings.work_dir, fetch_asset, processes)

    def fake() -> Provider:
        from filmforge.providers.fake import FakeProvider

        if not settings.fake_url:
            raise NotConfigured(
                "fake: has no address: set FILMFORGE_FAKE_URL to that of a filmforge.fakeserver"
            )
        terms = _terms(settings, "fake").model_copy(
            update={
                "submit_timeout_s": settings.fake_submit_timeout_s,
                "listing_lag_s": settings.fake_listing_lag_s,
            }
        )
        secret = settings.fake_webhook_secret.get_secret_value()
        return FakeProvider(settings.fake_url, secret, terms)

    def local() -> Provider:
        from filmforge.providers.local import LocalProvider
        from filmforge.works import Works

        if queue is None:
            raise NotConfigured("local: works on a queue in Temporal, which is not known here")
        works = Works(settings.s3_bucket, settings.s3_endpoint)
        terms = _terms(settings, "local")
        return LocalProvider(_local_models(settings), terms, queue, works)

    hosted = {name: partial(make, settings) for name, make in _HOSTED.items()}
    return Registry({"preview": preview, "fake": fake, "local": local, **hosted})


def _fal(settings: Settings) -> Provider:
    from filmforge.providers.fal import FalProvider

    return FalProvider(
        *_account(settings, "fal", settings.fal_key, "FAL_KEY"),
        queue_url=settings.fal_queue_url,
        api_url=settings.fal_api_url,
        jwks_url=settings.fal_jwks_url,
    )


def _replicate(settings: Settings) -> Provider:
    from filmforge.providers.replicate import ReplicateProvider

    return ReplicateProvider(
        *_account(settings, "replicate", settings.replicate_api_token, "REPLICATE_API_TOKEN"),
        base_url=settings.replicate_base_url,
        webhook_secret=settings.replicate_webhook_secret.get_secret_value(),
    )


def _openai(settings: Settings) -> Provider:
    from filmforge.providers.openai import OpenAIProvider

    return OpenAIProvider(
        *_account(settings, "openai", settings.openai_api_key, "OPENAI_API_KEY"),
        base_url=settings.openai_base_url,
        webhook_secret=settings.openai_webhook_secret.get_secret_value(),
    )


def _elevenlabs(settings: Settings) -> Provider:
    from filmforge.providers.elevenlabs import ElevenLabsProvider

    return ElevenLabsProvider(
        *_account(settings, "elevenlabs", settings.elevenlabs_api_key, "ELEVENLABS_API_KEY"),
        base_url=settings.elevenlabs_base_url,
    )


def _runway(settings: Settings) -> Provider:
    from filmforge.providers.runway import RunwayProvider

    return RunwayProvider(
        *_account(settings, "runway", settings.runwayml_api_secret, "RUNWAYML_API_SECRET"),
        base_url=settings.runwayml_base_url,
    )


def _modal(settings: Settings) -> Provider:
    from filmforge.addresses import is_public_url
    from filmforge.providers.modal import ModalProvider
    from filmforge.works import Works

    secret, models, terms = _account(
        settings, "modal", settings.modal_token_secret, "MODAL_TOKEN_SECRET"
    )
    token_id = _key(settings.modal_token_id, "modal", "MODAL_TOKEN_ID")
    if not settings.s3_bucket:
        raise NotConfigured("modal: has no bucket for its outputs: set FILMFORGE_S3_BUCKET")
    near = settings.s3_endpoint and not is_public_url(settings.s3_endpoint)
    if near and not settings.allow_private_urls:
        raise NotConfigured(
            "modal: cannot reach the bucket of this installation to write into it: set "
            "AWS_ENDPOINT_URL_S3 and FILMFORGE_S3_BUCKET, or use filmforge worker --gpu local"
        )
    return ModalProvider(
        (token_id, SecretStr(secret)),
        models,
        terms,
        Works(settings.s3_bucket, settings.s3_endpoint),
        server_url=settings.modal_server_url,
        environment=settings.modal_environment,
    )


_HOSTED: Mapping[str, Callable[[Settings], Provider]] = {
    "fal": _fal,
    "replicate": _replicate,
    "openai": _openai,
    "elevenlabs": _elevenlabs,
    "runway": _runway,
    "modal": _modal,
}


def _local_models(settings: Settings) -> dict[str, Model]:
    """What Modal's functions are on one's own GPU: the same, at no price unless one is given."""
    free = Price(
        usd=Decimal(0),
        unit=Unit.GPU_SECOND,
        source="one's own GPU",
        read_on=date(2026, 11, 21),
    )
    own = {
        name: model.model_copy(update={"price": free})
        for name, model in load_models("modal").items()
    }
    return load_models("local", settings.models_file, own)


def _account(
    settings: Settings, name: str, key: SecretStr, variable: str
) -> tuple[str, dict[str, Model], Terms]:
    """What every hosted provider is given first."""
    return (
        _key(key, name, variable),
        load_models(name, settings.models_file),
        _terms(settings, name),
    )


def _key(key: SecretStr, provider: str, variable: str) -> str:
    # A key that was read from a file ends with a line break; in a header it would be refused by
    # an error that quotes it.
    value = key.get_secret_value().strip()
    if not value:
        raise NotConfigured(f"{provider}: has no key: set {variable}")
    if not (value.isascii() and value.isprintable()):
        raise NotConfigured(f"{provider}: {variable} holds what no key holds: copy it again")
    return value


def _terms(settings: Settings, name: str) -> Terms:
    pacing = settings.paces.get(name, Pacing())
    return Terms(
        submit_timeout_s=settings.submit_timeout_s,
        listing_lag_s=settings.listing_lag_s,
        callback_wait_s=settings.callback_wait_s,
        max_in_flight=pacing.max_in_flight,
        submits_per_s=pacing.submits_per_s,
        max_connections=settings.generate_slots,
        private=settings.allow_private_urls,
    )
