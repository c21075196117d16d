/**
 * The figures of `status` in the Prometheus text format, version 0.0.4.
 *
 * Not OpenMetrics: node_exporter's textfile collector and Telegraf read 0.0.4 only, and everything that
 * scrapes reads it too. So there is no `# EOF` and no `# UNIT`; the content's length says whether it is whole.
 *
 * Source: https://prometheus.io/docs/instrumenting/exposition_formats/ ("Text-based format").
 */
import type { StatusView } from "./admin-operations.ts";
import { CALL_METRICS } from "./call-metrics.ts";
import { IDENTITY_METRICS } from "./identity-metrics.ts";
import type { Metric, Metrics, Sample } from "./metric.ts";
import { PROCESS_METRICS } from "./process-metrics.ts";

/** Every metric there is, in the order in which they are written. */
export const METRICS: Metrics = { ...PROCESS_METRICS, ...CALL_METRICS, ...IDENTITY_METRICS };

export const METRICS_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** Whole lines, the last one ended. A metric that this device has no figure of is left out. */
export function formatMetrics(status: StatusView): string {
  return Object.entries(METRICS)
    .map(([name, metric]) => formatMetric(name, metric, samplesOf(metric, status)))
    .join("");
}

function samplesOf(metric: Metric, status: StatusView): readonly Sample[] {
  const read = metric.read(status);
  if (read === undefined || read === null) return [];
  const alone = (value: number): readonly Sample[] => [{ labels: {}, value }];
  if (typeof read === "boolean") return alone(read ? 1 : 0);
  return typeof read === "number" ? alone(read) : read;
}

function formatMetric(name: string, { help, type }: Metric, samples: readonly Sample[]): string {
  if (samples.length === 0) return "";
  const lines = samples.map(({ labels, value }) => `${name}${formatLabels(labels)} ${value}\n`);
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join("")}`;
}

function formatLabels(labels: Sample["labels"]): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

function escaped(value: string): string {
  return value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}
