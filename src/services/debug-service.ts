/**
 * `Debug.Health` and `Debug.Stats`, in the shapes of go-micro's Debug handler (`docs/wire.md`,
 * "Debug endpoints"): go-micro tools can ask an agent as any service. The request's `service` field
 * is accepted and ignored, as go-micro does; an unknown field is an error in JSON.
 */
import { create } from "@bufbuild/protobuf";
import type { Clock } from "../host/clock.ts";
import type { ProcessFigures } from "../host/process-figures.ts";
import { unary } from "../rpc/endpoint.ts";
import type { EndpointTable } from "../rpc/server/endpoint-table.ts";
import { messageShape } from "../wire/codec/message-shape.ts";
import {
  HealthRequestSchema,
  HealthResponseSchema,
  StatsRequestSchema,
  StatsResponseSchema,
} from "./gen/debug_pb.ts";

/** Totals since the start. */
interface CallTotals {
  readonly requests: number;
  readonly errors: number;
}

export interface DebugSources {
  readonly clock: Clock;
  readonly figures: ProcessFigures;
  readonly totals: CallTotals;
  /** Monotonic milliseconds at which the agent was ready. */
  readonly readyAtMs: number;
}

const shapes = {
  healthRequest: messageShape(HealthRequestSchema),
  healthResponse: messageShape(HealthResponseSchema),
  statsRequest: messageShape(StatsRequestSchema),
  statsResponse: messageShape(StatsResponseSchema),
};

/** Registers the `Debug` handler under `service`. */
export function registerDebugService(
  table: EndpointTable,
  service: string,
  sources: DebugSources,
): void {
  const { clock, figures, totals, readyAtMs } = sources;
  table.register(
    service,
    "Debug.Health",
    unary({
      kind: "read",
      request: shapes.healthRequest,
      response: shapes.healthResponse,
      handle: () => create(HealthResponseSchema, { status: "ok" }),
    }),
  );
  table.register(
    service,
    "Debug.Stats",
    unary({
      kind: "read",
      request: shapes.statsRequest,
      response: shapes.statsResponse,
      handle: () => {
        const timestamp = Math.max(0, Math.floor(clock.now() / 1000));
        const uptime = Math.max(0, Math.floor((clock.monotonicMs() - readyAtMs) / 1000));
        return create(StatsResponseSchema, {
          timestamp: BigInt(timestamp),
          // By the clock of now: a device that booted in 1970 and then got the time is not 50 years up.
          started: BigInt(Math.max(0, timestamp - uptime)),
          uptime: BigInt(uptime),
          memory: BigInt(figures.residentBytes()),
          threads: BigInt(figures.threads()),
          gc: BigInt(figures.gcNs()),
          requests: BigInt(totals.requests),
          errors: BigInt(totals.errors),
        });
      },
    }),
  );
}
