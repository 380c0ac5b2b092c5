"""Storyboard panels drawn on this machine: no models, no network, the same bytes every time."""

from filmforge.media.panel.brief import PanelBrief
from filmforge.media.panel.panel import draw_panel

__all__ = ["PanelBrief", "draw_panel"]
