"""The real servers of one machine, Temporal and S3, and what keeps them and us running."""

from filmforge.embedded.doctor import Finding, examine
from filmforge.embedded.environment import environment_beside, settings_beside
from filmforge.embedded.process import Child
from filmforge.embedded.servers import Servers, serve, start_servers
from filmforge.embedded.state import UpInfo, read_up
from filmforge.embedded.supervisor import run_up

__all__ = [
    "Child",
    "Finding",
    "Servers",
    "UpInfo",
    "environment_beside",
    "examine",
    "read_up",
    "run_up",
    "serve",
    "settings_beside",
    "start_servers",
]
