"""A Celery worker whose children are recycled, ended by SIGTERM."""

from __future__ import annotations

import subprocess
import time
from collections import Counter
from pathlib import Path

from celery import Celery

from support.cases import F2, K2, PEPPER
from support.journals import uses_in
from support.servers import http_server
from support.services import APPS, clean_environ, stop

TASKS = 12
COMMAND = [
    *("opentelemetry-instrument", "celery", "-A", "celery_app", "worker", "--concurrency=2"),
    *("--max-tasks-per-child=2", "--without-gossip", "--without-mingle", "--loglevel=warning"),
]


def _sender(folder: Path) -> Celery:
    app = Celery(broker="filesystem://")
    app.conf.broker_transport_options = {
        "data_folder_in": str(folder),
        "data_folder_out": str(folder),
        "control_folder": str(folder),
    }
    return app


def test_recycled_children_and_sigterm_lose_no_use(tmp_path: Path) -> None:
    """Each task's call is one use, in the segment of the child that ran it."""
    folder, home = tmp_path / "broker", tmp_path / "home"
    folder.mkdir()
    environ = clean_environ(
        OTEL_TRACES_EXPORTER="none",
        OTEL_METRICS_EXPORTER="none",
        OTEL_LOGS_EXPORTER="none",
        KEYTRAIL_HOME=str(home),
        KEYTRAIL_PEPPER=PEPPER,
        KEYTRAIL_JOURNAL_INTERVAL="60",
        OWN_KEY=K2,
        BROKER_FOLDER=str(folder),
        C_FORCE_ROOT="1",
    )
    with http_server() as server, _sender(folder) as sender:
        worker = subprocess.Popen(
            COMMAND,
            env=environ,
            cwd=APPS,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            for _ in range(TASKS):
                sender.send_task("call", [server.url])
            deadline = time.monotonic() + 90
            while len(server.requests) < TASKS and time.monotonic() < deadline:
                time.sleep(0.01)
        finally:
            printed = stop(worker)
        assert len(server.requests) == TASKS, printed
    uses = uses_in(home)
    told = Counter((use["key"], use["outcome"]) for use in uses)
    assert told == {(F2, "success"): TASKS}, printed
    assert len({use["span_id"] for use in uses}) == TASKS
    assert len(list(home.glob("live/*/*.ndjson"))) >= TASKS // 2
