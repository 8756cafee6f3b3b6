"""A Django site of one page, for both of its handlers."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from types import ModuleType
from typing import Any

import django
from django.conf import settings
from django.http import HttpRequest, JsonResponse
from django.urls import path
from opentelemetry.instrumentation.django import DjangoInstrumentor
from opentelemetry.sdk.trace import TracerProvider

from benchmarks.library import instrumenting


def item(_: HttpRequest, number: int) -> JsonResponse:
    """Answer in a thread."""
    return JsonResponse({"number": number})


async def async_item(request: HttpRequest, number: int) -> JsonResponse:
    """Answer in a task."""
    return item(request, number)


def site(
    view: Callable[..., Any], provider: TracerProvider
) -> Callable[[], AbstractContextManager[None]]:
    """Set Django up with ``view``; return what instruments it, for a while, on ``provider``."""
    if not settings.configured:
        routes = ModuleType("routes")
        routes.urlpatterns = [path("items/<int:number>", view)]  # type: ignore[attr-defined]
        settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF=routes, LOGGING_CONFIG=None)
        django.setup()
    return partial(instrumenting, DjangoInstrumentor(), provider)
