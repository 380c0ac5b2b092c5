"""Replies and their description: JSON made from models, and bodies in the API's description."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.responses import Response

from filmforge.gateway.problems import Problem

# The description of a body that is a file as it is.
FILE_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}
_TEMPLATE = "#/components/schemas/{model}"
_described: dict[str, type[BaseModel]] = {}


def json_response(
    model: BaseModel, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    """A model as JSON; what is answered is never kept by a cache."""
    known = {"Cache-Control": "no-store", **(headers or {})}
    return Response(model.model_dump_json(), status, known, media_type="application/json")


def body_of(model: type[BaseModel], *, required: bool = True) -> dict[str, Any]:
    """The description of a body that a route reads by itself."""
    _described[model.__name__] = model
    schema = {"$ref": _TEMPLATE.format(model=model.__name__)}
    return {
        "requestBody": {"required": required, "content": {"application/json": {"schema": schema}}}
    }


def describe(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document: every route, every body, the two ways to authenticate."""
    if app.openapi_schema is None:
        document = get_openapi(title=app.title, version=app.version, routes=app.routes)
        models = [(model, "validation") for model in (*_described.values(), Problem)]
        _, found = models_json_schema(models, ref_template=_TEMPLATE)  # type: ignore[arg-type] # a list of the very pairs
        components = document.setdefault("components", {})
        components["schemas"] = components.get("schemas", {}) | found["$defs"]
        components["securitySchemes"] = {
            "key": {"type": "http", "scheme": "bearer"},
            "signature": {"type": "apiKey", "in": "header", "name": "webhook-signature"},
        }
        document["security"] = [{"key": []}, {"signature": []}]
        _describe_problems(document)
        app.openapi_schema = document
    return app.openapi_schema


def _describe_problems(document: dict[str, Any]) -> None:
    schema = {"$ref": _TEMPLATE.format(model=Problem.__name__)}
    problem = {
        "description": "A problem document",
        "content": {"application/problem+json": {"schema": schema}},
    }
    for path, calls in document["paths"].items():
        for call in calls.values():
            if path.startswith("/v1/"):
                call["responses"].pop("422", None)
                call["responses"]["default"] = problem
