"""What each alert is for, and what it must not take for that: series, and whom it accuses."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from collector.shown_series import SCRAPED, Shown, restarted, written


@dataclass(frozen=True)
class Case:
    """Series with values, one a minute if no other ``step``, and whom an alert accuses ``at``."""

    values: Mapping[str, str]
    at: str
    accused: Sequence[Mapping[str, str]] = ()
    summary: str = ""
    step: str = "1m"


Cases = Mapping[str, Callable[[Shown], Case]]

CUSTOMER = {
    "service_name": "shop",
    "keytrail_key_name": "customer-0",
    "keytrail_direction": "incoming",
}
BURST: Cases = {
    "a key that is refused, beside one that is not": lambda shown: Case(
        {
            shown.uses("denied"): "0+30x30",
            shown.uses("success"): "0+10x30",
            shown.uses("denied", "customer-1"): "0+30x30",
            shown.uses("success", "customer-1"): "0+100x30",
        },
        "20m",
        [{**CUSTOMER, "keytrail_key_provider": "self"}],
        "More than half of the uses of customer-0 at shop fail",
    ),
    "a counter that was not there before": lambda shown: Case(
        {shown.uses("success"): "0+1x30", shown.uses("denied"): "_x10 500x20"},
        "12m",
        [{**CUSTOMER, "keytrail_key_provider": "self"}],
        "More than half of the uses of customer-0 at shop fail",
    ),
    "a key that was not there before": lambda shown: Case(
        {shown.uses("success", "customer-1"): "0+1x30", shown.uses("error"): "_x10 200+200x20"},
        "12m",
        [{**CUSTOMER, "keytrail_key_provider": "self"}],
        "More than half of the uses of customer-0 at shop fail",
    ),
    "errors that go on over a restart": lambda shown: Case(
        {
            shown.uses("error"): "5000+40x10 stale",
            restarted(shown.uses("error")): "_x11 40+40x10",
        },
        "14m",
        [{**CUSTOMER, "keytrail_key_provider": "self"}],
        "More than half of the uses of customer-0 at shop fail",
    ),
    "a counter that begins again": lambda shown: Case(
        {shown.uses("error"): "5000x10 0+40x10"},
        "14m",
        [{**CUSTOMER, "keytrail_key_provider": "self"}],
        "More than half of the uses of customer-0 at shop fail",
    ),
    "quiet: a few of many": lambda shown: Case(
        {shown.uses("denied"): "0+30x30", shown.uses("success"): "0+100x30"}, "20m"
    ),
    "quiet: too few": lambda shown: Case({shown.uses("denied"): "0+5x30"}, "20m"),
    "quiet: long ago": lambda shown: Case({shown.uses("denied"): "0+100x10 1000x20"}, "25m"),
    "quiet: a Collector that is seen for the first time": lambda shown: Case(
        {shown.uses("denied"): "_x10 5000x20"}, "12m"
    ),
    "quiet: a Prometheus that was away": lambda shown: Case(
        {shown.uses("denied"): "5000x10 _x30 6000x20"}, "42m"
    ),
    "quiet: nothing at all": lambda shown: Case({}, "20m"),
}
SPIKE: Cases = {
    "ten times as often as on the day before": lambda shown: Case(
        {
            shown.uses("success"): "0+300x300 90000+3000x10",
            shown.uses("success", "customer-1"): "0+3000x310",
        },
        "1520m",
        [CUSTOMER],
        "customer-0 is used five times as often at shop as on the day before",
        "5m",
    ),
    "a key that was idle, over a restart": lambda shown: Case(
        {
            shown.uses("success"): "7x300 stale",
            restarted(shown.uses("success")): "_x301 3000+3000x10",
        },
        "1520m",
        [CUSTOMER],
        "customer-0 is used five times as often at shop as on the day before",
        "5m",
    ),
    "quiet: as often as ever": lambda shown: Case(
        {shown.uses("success"): "0+3000x310"}, "1520m", step="5m"
    ),
    "quiet: as often as ever, with a restart": lambda shown: Case(
        {
            shown.uses("success"): "0+3000x300 stale",
            restarted(shown.uses("success")): "_x301 3000+3000x10",
        },
        "1520m",
        step="5m",
    ),
    "quiet: a short rise": lambda shown: Case(
        {shown.uses("success"): "0+300x300 90000+3000x1 93300+300x10"}, "1515m", step="5m"
    ),
    "quiet: five times next to nothing": lambda shown: Case(
        {shown.uses("success"): "0+5x300 1500+150x10"}, "1520m", step="5m"
    ),
    "quiet: a key that was not there the day before": lambda shown: Case(
        {
            shown.uses("success", "customer-1"): "0+5x310",
            shown.uses("success"): "_x300 3000+3000x10",
        },
        "1520m",
        step="5m",
    ),
}
LEAKY = "shop sends raw API keys in its telemetry; they were redacted here, not before"
RAW_KEY: Cases = {
    "the first": lambda shown: Case(
        {shown.one("keytrail_raw_keys_spans_total"): "_x10 1x5"},
        "11m",
        [{"service_name": "shop"}],
        LEAKY,
    ),
    "the second, hours later": lambda shown: Case(
        {shown.one("keytrail_raw_keys_spans_total"): "_x10 1x5 _x60 2x5"},
        "78m",
        [{"service_name": "shop"}],
        LEAKY,
    ),
    "one more": lambda shown: Case(
        {shown.one("keytrail_raw_keys_spans_total"): "3x30 4x30"},
        "32m",
        [{"service_name": "shop"}],
        LEAKY,
    ),
    "the first after a restart": lambda shown: Case(
        {shown.one("keytrail_raw_keys_spans_total"): "9x30 _x30 1x5"},
        "62m",
        [{"service_name": "shop"}],
        LEAKY,
    ),
    "in the logs of a service without a name": lambda shown: Case(
        {shown.one("keytrail_raw_keys_logs_total"): "_x10 1x5"},
        "11m",
        [{}],
        LEAKY.replace("shop", "A service without a name"),
    ),
    "quiet: long ago": lambda shown: Case(
        {shown.one("keytrail_raw_keys_spans_total"): "_x10 1x5 _x60"}, "40m"
    ),
    "quiet: no more than there were": lambda shown: Case(
        {shown.one("keytrail_raw_keys_spans_total"): "3x60"}, "40m"
    ),
}
AUDIT = {"instance": "collector", "exporter": "otlp_http/keytrail_audit"}


def failing(shown: Shown, exporter: str, metric: str = "send_failed_spans") -> str:
    return shown.one(f"otelcol_exporter_{metric}", exporter=exporter)


def of_newer(series: str) -> str:
    """Return the series under the name that some Collectors give it."""
    return series.replace("{", "_total{")


REFUSED = "The audit's destination refused what otlp_http/keytrail_audit sent; it is in the journal"
DROPPED: Cases = {
    "the first": lambda shown: Case(
        {failing(shown, AUDIT["exporter"]): "_x10 6x30"}, "12m", [AUDIT], REFUSED
    ),
    "the first, under the other name": lambda shown: Case(
        {of_newer(failing(shown, AUDIT["exporter"])): "_x10 6x30"}, "12m", [AUDIT], REFUSED
    ),
    "more": lambda shown: Case(
        {of_newer(failing(shown, AUDIT["exporter"])): "6x30 9x30"}, "40m", [AUDIT], REFUSED
    ),
    "log events": lambda shown: Case(
        {
            failing(shown, "otlp_http/keytrail_ordinary", "send_failed_log_records").replace(
                "ordinary", "loki"
            ): "6x30 9x30"
        },
        "40m",
        [{**AUDIT, "exporter": "otlp_http/keytrail_loki"}],
        REFUSED.replace("audit sent", "loki sent"),
    ),
    "quiet: long ago": lambda shown: Case({failing(shown, AUDIT["exporter"]): "_x10 6x60"}, "40m"),
    "quiet: what is not the audit": lambda shown: Case(
        {
            failing(shown, "otlp_http/keytrail_ordinary"): "0+6x30",
            failing(shown, "otlp_http/keytrail_ordinary", "send_failed_log_records"): "0+6x30",
            failing(shown, "file/keytrail_journal"): "0+6x30",
        },
        "20m",
    ),
}
FULL = " takes nothing more, its queue or its disk is full; senders are told to try again"
NOT_TAKEN: Cases = {
    "a full queue": lambda shown: Case(
        {failing(shown, AUDIT["exporter"], "enqueue_failed_spans"): "_x10 50x30"},
        "12m",
        [AUDIT],
        AUDIT["exporter"] + FULL,
    ),
    "the journal's full disk": lambda shown: Case(
        {failing(shown, "file/keytrail_journal"): "_x10 6x10 9x30"},
        "30m",
        [{**AUDIT, "exporter": "file/keytrail_journal"}],
        "file/keytrail_journal" + FULL,
    ),
    "quiet: what is not the audit, or long ago": lambda shown: Case(
        {
            failing(shown, AUDIT["exporter"]): "0+6x30",
            failing(shown, AUDIT["exporter"], "enqueue_failed_spans"): "6x30",
            failing(shown, "otlp_http/keytrail_ordinary"): "0+6x30",
        },
        "25m",
    ),
}


def queue(shown: Shown, exporter: str, size: str, capacity: str) -> dict[str, str]:
    metrics = {"queue_size": size, "queue_capacity": capacity}
    return {
        shown.one(f"otelcol_exporter_{name}", exporter=exporter, data_type="traces"): values
        for name, values in metrics.items()
    }


FILLS_UP: Cases = {
    "more than half full": lambda shown: Case(
        queue(shown, AUDIT["exporter"], "0x5 600000x30", "1000000x35"),
        "20m",
        [{**AUDIT, "job": "keytrail", "data_type": "traces"}],
        "The queue of otlp_http/keytrail_audit is half full; "
        "when it is full, senders are told to try again",
    ),
    "quiet: less than half full, and what is not the audit": lambda shown: Case(
        {
            **queue(shown, AUDIT["exporter"], "400000x30", "1000000x30"),
            **queue(shown, "otlp_http/keytrail_ordinary", "900x30", "1000x30"),
        },
        "20m",
    ),
    "quiet: for a short time": lambda shown: Case(
        queue(shown, AUDIT["exporter"], "900000x5 0x30", "1000000x35"), "9m"
    ),
}
SILENT = "shop used keys at this time yesterday, and none in the last hour"
SILENCE: Cases = {
    "a service that stopped": lambda shown: Case(
        {shown.uses("success"): "0+50x300 15000x30"},
        "1620m",
        [{"service_name": "shop"}],
        SILENT,
        "5m",
    ),
    "a Collector that is gone": lambda shown: Case(
        {shown.uses("success"): "0+50x300 stale"}, "1620m", [{"service_name": "shop"}], SILENT, "5m"
    ),
    "a service that never rests": lambda shown: Case(
        {shown.uses("success"): "0+150x734 110000x10"},
        "11100m",
        [{"service_name": "shop"}],
        SILENT,
        "15m",
    ),
    "quiet: one key of two is enough": lambda shown: Case(
        {
            shown.uses("success"): "0+50x300 15000x30",
            shown.uses("error", "customer-1"): "0+1x330",
        },
        "1620m",
        step="5m",
    ),
    "quiet: all at once, after a restart": lambda shown: Case(
        {
            shown.uses("success"): "0+50x300 stale",
            restarted(shown.uses("success")): "_x315 20x20",
            written("up", SCRAPED): "1x330",
        },
        "1620m",
        step="5m",
    ),
    "quiet: a weekend": lambda shown: Case(
        {shown.uses("success"): "0x100 0+150x634 95000x10"}, "11100m", step="15m"
    ),
    "quiet: hardly anything yesterday": lambda shown: Case(
        {shown.uses("success"): "0+0.5x300 150x30"}, "1620m", step="5m"
    ),
    "quiet: never anything": lambda shown: Case({}, "1620m", step="5m"),
}
ALERTS: Mapping[str, Cases] = {
    "KeytrailErrorBurst": BURST,
    "KeytrailRateSpike": SPIKE,
    "KeytrailRawKeyInTelemetry": RAW_KEY,
    "KeytrailAuditDropped": DROPPED,
    "KeytrailAuditNotTaken": NOT_TAKEN,
    "KeytrailQueueFillsUp": FILLS_UP,
    "KeytrailSilence": SILENCE,
}
