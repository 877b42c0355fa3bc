"""The stand-in as an application: `create_app` puts it together and decides how a refusal looks."""

import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.exceptions import HTTPException

from mcp_server.sandbox import seed, start_page
from mcp_server.sandbox.errors import ApiError, describe
from mcp_server.sandbox.oauth import authorize, metadata, register, token
from mcp_server.sandbox.oauth.errors import OAuthError, PageError
from mcp_server.sandbox.routes import (
    blobs,
    branches,
    email,
    endpoints,
    environment,
    files,
    orgs,
    sqlite,
    telemetry,
    users,
    vals,
)
from mcp_server.sandbox.store import Store

ROUTERS = (
    start_page.router,
    users.router,
    orgs.router,
    vals.router,
    branches.router,
    files.router,
    environment.router,
    blobs.router,
    sqlite.router,
    telemetry.router,
    email.router,
    endpoints.router,
    metadata.router,
    register.router,
    authorize.router,
    token.router,
)

logger = logging.getLogger(__name__)


def create_app(
    data_dir: Path,
    *,
    base_url: str | None = None,
    clock: Callable[[], float] = time.time,
    access_seconds: int | None = None,
) -> FastAPI:
    """Return the stand-in over the SQLite files in an existing folder; an empty one gets the example vals.

    `base_url` is the origin of the links it hands out, by default the one each request was sent to. `clock`
    tells seconds since 1970. `access_seconds` is what apps are told of the life of their access tokens, a day
    when None: a short one makes them refresh.

    Raises:
        sqlite3.Error: the folder cannot hold the files.
    """
    store = Store(data_dir, clock=clock, new_id=lambda: str(uuid4()))
    seed.plant(store)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        store.close()

    app = FastAPI(
        title="Val Town sandbox",
        lifespan=lifespan,
        # Only documented paths answer: no schema pages, no redirect to the path with one slash more or less.
        openapi_url=None,
        redirect_slashes=False,
    )
    app.state.store = store
    app.state.base_url = base_url
    app.state.access_seconds = access_seconds
    for router in ROUTERS:
        app.include_router(router)
    app.add_api_route("/healthz", _health)
    app.exception_handler(ApiError)(_refuse)
    app.exception_handler(OAuthError)(_refuse_client)
    app.exception_handler(PageError)(_refuse_person)
    app.exception_handler(RequestValidationError)(_refuse_parameters)
    app.exception_handler(HTTPException)(_refuse_route)
    app.exception_handler(Exception)(_fail)
    return app


async def _health() -> JSONResponse:
    return JSONResponse({"status": "ok"})


async def _refuse(request: Request, error: ApiError) -> JSONResponse:
    headers = {"WWW-Authenticate": "Bearer"} if error.status == 401 else None
    return JSONResponse(error.body(), error.status, headers)


async def _refuse_client(request: Request, error: OAuthError) -> JSONResponse:
    headers = {"Cache-Control": "no-store"}
    if error.status == 401:
        headers["WWW-Authenticate"] = "Basic"
    return JSONResponse(error.body(), error.status, headers)


async def _refuse_person(request: Request, error: PageError) -> PlainTextResponse:
    return PlainTextResponse(f"This request cannot be answered: {error}", 400)


async def _refuse_parameters(request: Request, error: RequestValidationError) -> JSONResponse:
    return JSONResponse({"message": describe(error.errors())}, 400)


async def _refuse_route(request: Request, error: HTTPException) -> JSONResponse:
    # Fastify, which the real API runs on, knows no 405: with another method it is another, unknown route.
    if error.status_code in {404, 405}:
        return JSONResponse({"message": f"Route {request.method}:{request.scope['path']} not found"}, 404)
    return JSONResponse({"message": error.detail}, error.status_code)


async def _fail(request: Request, error: Exception) -> JSONResponse:
    logger.error("unhandled error on %s %s", request.method, request.scope["path"], exc_info=error)
    return JSONResponse({"message": "Internal Server Error"}, 500)
