"""Which providers this installation has, made when they are first asked for."""

import os
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from threading import Lock

from filmforge.domain import Kind
from filmforge.errors import BadInput, NotConfigured
from filmforge.providers.base import Model, Provider
from filmforge.settings import Settings

FetchAsset = Callable[[str, Path], Awaitable[None]]
Factory = Callable[[], Provider]


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

    def model(self, ref: str, kind: Kind) -> tuple[Provider, Model]:
        """The provider and the model that "provider:model" names.

        Raises BadInput naming what exists when there is none that makes this kind, and
        NotConfigured when the provider lacks its key or address.
        """
        field = f"providers.{kind.value}"
        name, _, model_id = ref.partition(":")
        provider = self._get(name, field)
        model = provider.models().get(model_id)
        if model is not None and model.kind is kind:
            return provider, model
        known = sorted(m.id for m in provider.models().values() if m.kind is kind)
        remedy = f"Use one of: {', '.join(f'{name}:{m}' for m in known)}."
        if not known:
            remedy = f"Use a provider that makes {kind.value}."
        problem = f"{model_id!r} makes {model.kind.value}" if model else f"no model {model_id!r}"
        raise BadInput(field, f"{name}: {problem}", remedy)

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


def build_registry(settings: Settings, fetch_asset: FetchAsset) -> Registry:
    """The providers of this installation; `fetch_asset` writes an asset's bytes to a path.

    Nothing is imported or started before a provider is asked for.
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
        secret = settings.fake_webhook_secret.get_secret_value()
        return FakeProvider(
            settings.fake_url,
            secret,
            submit_timeout_s=settings.fake_submit_timeout_s,
            listing_lag_s=settings.fake_listing_lag_s,
            max_connections=settings.generate_slots,
        )

    return Registry({"preview": preview, "fake": fake})
