"""An ordinary Celery application, with no word of OpenTelemetry or keytrail in it."""

from __future__ import annotations

import os

import httpx
from celery import Celery

FOLDER = os.environ["BROKER_FOLDER"]
app = Celery("celery_app", broker="filesystem://")
app.conf.broker_transport_options = {
    "data_folder_in": FOLDER,
    "data_folder_out": FOLDER,
    "control_folder": FOLDER,
}


@app.task(name="call")  # type: ignore[untyped-decorator]
def call(url: str) -> int:
    """Call ``url`` with the service's own key."""
    return httpx.get(url, headers={"X-API-Key": os.environ["OWN_KEY"]}, timeout=60).status_code
