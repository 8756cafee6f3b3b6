"""A Django project in one module: its settings, its views, and how servers call it."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import path

SECRET_KEY = "of-a-test"
ROOT_URLCONF = "django_app"
ALLOWED_HOSTS = ["*"]
MIDDLEWARE: list[str] = []


def answer(_: HttpRequest, server: str, status: int) -> HttpResponse:
    """Answer with a status of the caller's choice."""
    return HttpResponse(status=status)


urlpatterns = [path("<str:server>/status/<int:status>", answer)]


def wsgi() -> Any:
    """Return the WSGI application."""
    from django.core.wsgi import get_wsgi_application

    return get_wsgi_application()


def asgi() -> Any:
    """Return the ASGI application."""
    from django.core.asgi import get_asgi_application

    return get_asgi_application()
