"""What forked processes of ours have in memory from the start; each would pay seconds for it."""

from importlib import import_module

from temporalio.worker._worker import load_default_build_id

from tests.crash.makers import STANDS

for module in ("workers.main", "filmforge.gateway.main", "tests.crash.worker"):
    import_module(module)
for provider in STANDS:
    import_module(f"filmforge.providers.{provider}")
# A worker names the code it runs by a hash over every module, and keeps it.
load_default_build_id()
