"""The services and the load together: from the first process to the last answer."""

from __future__ import annotations

import http.client
import random
from collections import Counter
from typing import TYPE_CHECKING, Final

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from keytrail.demo import plan, services
from keytrail.demo.errors import DemoError
from keytrail.demo.load import send_all

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

    from keytrail.demo.cast import Cast
    from keytrail.demo.load import Answered
    from keytrail.demo.stage import Stage

SAMPLED: Final = 0.01
"""Share of the traces that the services' ordinary tracing keeps."""

_CONNECTIONS: Final = 6
_GREEDY: Final = "halden-bikes"
"""The customer that has a quota, and asks for a quarter more than that."""
_SEED: Final = 20
"""Of the dice that the plan throws; keys come from the system's randomness."""


def perform(
    stage: Stage, cast: Cast, count: int, talk: Console, settings: Mapping[str, str] | None = None
) -> list[Answered]:
    """Run the services, send ``count`` requests, stop the services; return what was answered.

    ``settings`` are variables that our two services get besides.

    Raises:
        DemoError: a service did not start, answer or stop.

    """
    theft = plan.stolen(cast)
    day = plan.ordinary(cast, count - len(theft), random.Random(_SEED))  # noqa: S311 - no secret
    asked = Counter(request.caller.name for request in day)
    watching = {**_watching(stage), **(settings or {})}
    wanted = services.services(cast, {_GREEDY: asked[_GREEDY] * 4 // 5}, watching)
    with Progress(*_columns(), console=talk) as progress:
        starting = progress.add_task("starting two services and a paid API", total=1)
        sending = progress.add_task("sending requests", total=count)
        stopping = progress.add_task("stopping the services", total=1)
        with services.running(wanted, stage.logs):
            progress.advance(starting)
            try:
                answers = send_all(
                    plan.interleave(day, theft),
                    {service.name: service.port for service in wanted},
                    connections=_CONNECTIONS,
                    progress=lambda: progress.advance(sending),
                )
            except (OSError, http.client.HTTPException) as error:
                logs = services.last_words(*sorted(stage.logs.iterdir()))
                raise DemoError(f"no answer to a request: {type(error).__name__}{logs}") from None
        progress.advance(stopping)
    return answers


def _watching(stage: Stage) -> dict[str, str]:
    """Return the settings of OpenTelemetry and keytrail for our two services.

    Nothing leaves the machine, and ordinary tracing keeps hardly anything: the record is complete
    all the same.
    """
    return {
        "OTEL_TRACES_EXPORTER": "none",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
        "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
        "OTEL_TRACES_SAMPLER_ARG": str(SAMPLED),
        "KEYTRAIL_HOME": str(stage.home.resolve()),
        "KEYTRAIL_INVENTORY": str(stage.inventory.resolve()),
        "KEYTRAIL_TRUSTED_PROXIES": "127.0.0.0/8,::1/128",
        "KEYTRAIL_KEYLESS": "denied",
    }


def _columns() -> tuple[TextColumn, BarColumn, MofNCompleteColumn, TimeElapsedColumn]:
    return (
        TextColumn("{task.description:36}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
