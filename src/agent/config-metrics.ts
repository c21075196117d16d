/**
 * The key of `[metrics]`. Figures are served in clear, to whoever can connect: so only to this machine.
 * Plain text to others there is nowhere without a switch for development; here there is none at all.
 */
import { isLoopback } from "../base/loopback.ts";
import { formatAddress } from "../registry/address.ts";
import type { MetricsPlace } from "../sidecar/metrics-server.ts";
import { type HostPort, type Kind, parseHostPort, path, type ReadContext } from "./config-kinds.ts";
import type { ConfigProblem } from "./config-problem.ts";
import type { Setting } from "./config-reader.ts";
import { LIVE, optional } from "./config-row.ts";
import { problemAt } from "./config-setting.ts";

const UNIX = "unix:";

function metricsPlace(): Kind<MetricsPlace> {
  const file = path();
  const allowed =
    '"127.0.0.1:9464", another loopback address as "[::1]:9464", or "unix:" and a path: metrics are not encrypted, so they stay on this machine';
  const read = (value: string, context: ReadContext) => {
    if (value.startsWith(UNIX)) {
      const reading = file.readText(value.slice(UNIX.length), context);
      return "value" in reading
        ? { value: { kind: "unix", path: reading.value } as const }
        : { expected: allowed };
    }
    const address = parseHostPort(value, 0);
    return address !== undefined && isLoopback(address.host)
      ? { value: { kind: "tcp", ...address } as const }
      : { expected: allowed };
  };
  return {
    allowed,
    schema: { type: "string", pattern: "^(unix:.+|.+:[0-9]{1,5})$" },
    readText: read,
    readToml: (value, context) =>
      typeof value === "string" ? read(value, context) : { expected: allowed },
    show: (place) => (place.kind === "unix" ? `${UNIX}${place.path}` : formatAddress(place)),
  };
}

export const METRICS_ROWS = {
  listen: optional(
    metricsPlace(),
    "Where GET /metrics is answered, in clear, for scrapers on this machine: a loopback address, or a Unix socket (mode 0660). See docs/metrics.md.",
    { ...LIVE, defaultDoc: "none: only `microedge metrics` tells" },
  ),
};

/** Whoever scrapes must never take the port that peers call. */
export function metricsProblems(
  setting: (key: string) => Setting | undefined,
): readonly ConfigProblem[] {
  const listen = setting("metrics.listen");
  const place = listen?.value as MetricsPlace | undefined;
  const rpc = setting("rpc.listen")?.value as HostPort | undefined;
  if (listen === undefined || place?.kind !== "tcp" || place.port === 0) return [];
  if (place.port !== rpc?.port) return [];
  return [problemAt(listen.key, listen, `has the port of rpc.listen, ${place.port}`)];
}
