#!/usr/bin/env python3
"""Makes grafana/dashboards/*.json from the tables below: one row per panel, one query per panel.

Usage: make_dashboards.py [FOLDER]     FOLDER: where to write; by default the dashboards beside this file.
The model is Grafana's dashboard JSON (schema version 38). Data sources are variables, so that a dashboard
works with whichever data source of its kind the user picks.
"""

import json
import pathlib
import sys

WIDTH, HEIGHT, PER_ROW = 8, 7, 3  # of a panel, on Grafana's grid of 24 columns


# The fields of the measurement qos_metrics that the users plotted: name, title, unit of Grafana.
QOS_FIELDS = [
    ("ping_avg_ms", "Ping: mean round trip", "ms"),
    ("ping_min_ms", "Ping: shortest round trip", "ms"),
    ("ping_max_ms", "Ping: longest round trip", "ms"),
    ("ping_jitter_ms", "Ping: jitter", "ms"),
    ("ping_packet_loss_pct", "Ping: loss", "percent"),
    ("iperf_bandwidth_mbps", "iperf: TCP payload received", "Mbits"),
    ("iperf_jitter_ms", "iperf: UDP jitter", "ms"),
    ("http_ping_ms", "HTTP: ping", "ms"),
    ("http_status_code", "HTTP: status of the ping", "none"),
    ("http_download_ms", "HTTP: download", "ms"),
    ("http_download_bytes", "HTTP: bytes downloaded", "bytes"),
    ("http_download_status", "HTTP: status of the download", "none"),
    ("http_upload_ms", "HTTP: upload of 100 KB", "ms"),
    ("http_upload_status", "HTTP: status of the upload", "none"),
]

# Title, unit, PromQL, legend.
MACHINE_PANELS = [
    ("Mean round trip", "ms", "avg_rtt", "{{dest}}"),
    ("Ping loss", "percentunit", "trafficlab_ping_loss_ratio", "{{dest}}"),
    ("Ping, 99th percentile", "s",
     "histogram_quantile(0.99, sum by (le, dest) (rate(trafficlab_ping_rtt_seconds_bucket[$__rate_interval])))",
     "{{dest}}"),
    ("Probes that succeed", "bool", "trafficlab_probe_success", "{{probe}} {{dest}}"),
    ("Packets sent", "pps", "rate(packets_sent[$__rate_interval])", "{{ifname}}"),
    ("Packets received", "pps", "rate(packets_recv[$__rate_interval])", "{{ifname}}"),
    ("Bytes sent", "Bps", "rate(trafficlab_network_transmit_bytes_total[$__rate_interval])", "{{device}}"),
    ("Bytes received", "Bps", "rate(trafficlab_network_receive_bytes_total[$__rate_interval])", "{{device}}"),
    ("Drops", "pps",
     "rate(trafficlab_network_receive_drops_total[$__rate_interval])"
     " + rate(trafficlab_network_transmit_drops_total[$__rate_interval])", "{{device}}"),
    ("Container: bytes sent", "Bps",
     "rate(trafficlab_container_transmit_bytes_total[$__rate_interval])", "{{container}} {{device}} ({{source}})"),
    ("Container: bytes received", "Bps",
     "rate(trafficlab_container_receive_bytes_total[$__rate_interval])", "{{container}} {{device}} ({{source}})"),
    ("Requests for /metrics", "reqps", "rate(number_of_requests_total[$__rate_interval])", "{{instance}}"),
    ("Memory of the exporter", "bytes", "current_memory_usage_locally", "{{server_name}}"),
]

# What `trafficlab run --push-url` pushes; metrics.md has the definitions.
RUN_PANELS = [
    ("Runs that passed", "bool", "trafficlab_run_success", "{{experiment}}"),
    ("Goodput", "Bps", "trafficlab_run_goodput_bytes_per_second", "{{experiment}} {{direction}}"),
    ("10 ms rates: median", "Bps", "trafficlab_run_rate_p50_bytes_per_second", "{{experiment}} {{direction}}"),
    ("10 ms rates: 5th percentile", "Bps", "trafficlab_run_rate_p5_bytes_per_second", "{{experiment}} {{direction}}"),
    ("Longest stall", "s", "trafficlab_run_longest_stall_seconds", "{{experiment}} {{direction}}"),
    ("Time to 90 % of steady state", "s", "trafficlab_run_ramp_to_90_seconds", "{{experiment}} {{direction}}"),
    ("Retransmitted share", "percentunit", "trafficlab_run_retransmit_ratio", "{{experiment}} {{direction}}"),
    ("Round trip, 99th percentile", "s", "trafficlab_run_rtt_p99_seconds", "{{experiment}} {{direction}}"),
    ("CPU of the receiver", "none", "trafficlab_run_cpu_receiver_seconds_per_gigabyte", "{{experiment}} {{direction}}"),
    ("Captures: packets lost", "none", "trafficlab_run_capture_loss_packets", "{{experiment}} {{direction}}"),
    ("Counters: packets lost", "none", "trafficlab_run_uncounted_packets", "{{experiment}} {{direction}}"),
]


def dashboard(uid, title, kind, panels):
    """`kind`: the data source's plugin; `panels`: (title, unit, target) each."""
    source = {"type": kind, "uid": "${datasource}"}
    return {
        "uid": uid,
        "title": title,
        "tags": ["trafficlab"],
        "schemaVersion": 38,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "",
        "annotations": {"list": []},
        "templating": {"list": [{"name": "datasource", "type": "datasource", "label": "Data source",
                                 "query": kind, "current": {}, "hide": 0, "refresh": 1}]},
        "panels": [
            {
                "id": number + 1,
                "type": "timeseries",
                "title": panel_title,
                "datasource": source,
                "gridPos": {"x": number % PER_ROW * WIDTH, "y": number // PER_ROW * HEIGHT, "w": WIDTH, "h": HEIGHT},
                "fieldConfig": {"defaults": {"unit": unit, "custom": {"showPoints": "auto", "spanNulls": False}},
                                "overrides": []},
                "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
                "targets": [{"refId": "A", "datasource": source} | target],
            }
            for number, (panel_title, unit, target) in enumerate(panels)
        ],
    }


def influx(field):
    """Raw rows, not means: a value between two probes was not measured."""
    return {"rawQuery": True, "resultFormat": "time_series", "alias": "$tag_target",
            "query": f'SELECT "{field}" FROM "qos_metrics" WHERE $timeFilter GROUP BY "target"'}


def prometheus(expression, legend):
    return {"expr": expression, "legendFormat": legend, "editorMode": "code", "range": True}


def dashboards():
    yield "qos.json", dashboard("trafficlab-qos", "trafficlab: quality of service", "influxdb",
                                [(title, unit, influx(field)) for field, title, unit in QOS_FIELDS])
    yield "machine.json", dashboard("trafficlab-machine", "trafficlab: exporter", "prometheus",
                                    [(title, unit, prometheus(expression, legend))
                                     for title, unit, expression, legend in MACHINE_PANELS])
    yield "runs.json", dashboard("trafficlab-runs", "trafficlab: runs", "prometheus",
                                 [(title, unit, prometheus(expression, legend))
                                  for title, unit, expression, legend in RUN_PANELS])


def main():
    here = pathlib.Path(__file__).parent / "grafana" / "dashboards"
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else here
    for name, content in dashboards():
        (folder / name).write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
