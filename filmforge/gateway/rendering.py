"""Pages: HTML for people, with headers that keep a secret link secret."""

import hashlib
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from filmforge.money import format_money

_HTML, _JSON = "text/html", "json"
SIGN_IN = "sign_in"
STATIC = Path(__file__).parent / "static"
_ENDINGS = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}

QUIET_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex, nofollow",
    "X-Content-Type-Options": "nosniff",
}


def _static_files() -> Mapping[str, tuple[bytes, str]]:
    found = sorted(STATIC.iterdir()) if STATIC.is_dir() else []
    return {
        path.name: (path.read_bytes(), _ENDINGS[path.suffix])
        for path in found
        if path.suffix in _ENDINGS
    }


static_files = _static_files()
# One name for all of them together, so that modules find each other beside themselves.
static_edition = hashlib.sha256(repr(sorted(static_files.items())).encode()).hexdigest()[:16]

_templates = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.filters["usd"] = format_money
_templates.globals["static"] = lambda name: f"/static/{static_edition}/{name}"


def page(
    template: str,
    status: int = 200,
    *,
    live: bool = False,
    **values: Any,
) -> HTMLResponse:
    """A page that may load pictures of this server, and nothing from elsewhere.

    One that is `live` runs the modules it names, and asks this server for films and news.
    """
    nonce = secrets.token_urlsafe(16)
    policy = {
        "default-src": "'none'",
        **({"script-src": f"'nonce-{nonce}'", "connect-src": "'self'"} if live else {}),
        "style-src": f"'nonce-{nonce}'",
        "img-src": "'self'",
        "media-src": "'self'" if live else "'none'",
        "form-action": "'self'",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
    }
    html = _templates.get_template(template).render(nonce=nonce, **values)
    policy_line = "; ".join(f"{name} {sources}" for name, sources in policy.items())
    headers = {**QUIET_HEADERS, "Content-Security-Policy": policy_line}
    return HTMLResponse(html, status, headers)


def fragment(
    template: str, *, headers: Mapping[str, str] | None = None, **values: Any
) -> HTMLResponse:
    """A part of a page, for a module of that page to put in its place."""
    html = _templates.get_template(template).render(**values)
    policy = {"Content-Security-Policy": "default-src 'none'; sandbox"}
    return HTMLResponse(html, headers={**QUIET_HEADERS, **policy, **(headers or {})})


def rendered(template: str, **values: Any) -> str:
    """The HTML of a template that is sent elsewhere than to a browser of ours."""
    return _templates.get_template(template).render(**values)


def wants_json(request: Request) -> bool:
    """Whether the caller is a program: by Accept, else by the type of what it sent."""
    accept = request.headers.get("accept", "")
    if _HTML in accept or _JSON in accept:
        return _HTML not in accept
    return _JSON in request.headers.get("content-type", "")


def wants_html(request: Request) -> bool:
    """Whether a person reads the answer: browsers say so where they load a page."""
    return _HTML in request.headers.get("accept", "")


def sent_to_sign_in(request: Request) -> RedirectResponse:
    """Where somebody goes who is not known yet, and from there back to what they asked for."""
    wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return RedirectResponse(f"/sign-in?{urlencode({'next': wanted})}", 303, QUIET_HEADERS)
