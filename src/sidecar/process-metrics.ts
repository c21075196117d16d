/** Metrics of the process itself: build, state, memory, clock, and what it has warned of. */
import type { MemoryLevel } from "../guard/memory-marks.ts";
import type { TimeState } from "../identity/time/time-view.ts";
import type { AgentState } from "./admin-operations.ts";
import { type Metrics, seconds, stateSet } from "./metric.ts";

const AGENT_STATES: Readonly<Record<AgentState, true>> = {
  ...{ starting: true, waiting: true, ready: true, draining: true },
};
const LEVELS: Readonly<Record<MemoryLevel, true>> = {
  ...{ calm: true, refusing: true, shedding: true, closing: true },
};
const TIME_STATES: Readonly<Record<TimeState, true>> = {
  ...{ unknown: true, floor: true, network: true, authenticated: true },
};

export const PROCESS_METRICS = {
  microedge_build_info: {
    type: "gauge",
    help: "Always 1; the version and commit of the program that runs",
    labels: ["version", "commit"],
    read: ({ version, commit = "unknown" }) => [{ labels: { version, commit }, value: 1 }],
  },
  microedge_state: {
    type: "gauge",
    help: "1 for the state that the agent is in, 0 for the others",
    labels: ["state"],
    read: ({ state }) => stateSet("state", AGENT_STATES, state),
  },
  microedge_start_timestamp_seconds: {
    type: "gauge",
    help: "When the agent started, by the clock of the device",
    read: ({ startedAt }) => seconds(startedAt),
  },
  microedge_uptime_seconds: {
    type: "gauge",
    help: "Since the agent started, whatever the clock did",
    read: ({ uptimeMs }) => seconds(uptimeMs),
  },
  microedge_warnings: {
    type: "gauge",
    help: "Warnings that microedge status shows",
    read: ({ warnings }) => warnings.length,
  },
  microedge_logged_events_total: {
    type: "counter",
    help: "Warnings and errors logged, by event, with those that the log left out",
    labels: ["event"],
    read: ({ events = {} }) =>
      Object.entries(events).map(([event, value]) => ({ labels: { event }, value })),
  },
  microedge_memory_resident_bytes: {
    type: "gauge",
    help: "Resident memory, pages of the program file included",
    read: ({ memory }) => memory.rss,
  },
  microedge_memory_anonymous_bytes: {
    type: "gauge",
    help: "Memory that the kernel can't take back; the marks stand on this",
    read: ({ memory }) => memory.anon,
  },
  microedge_memory_heap_used_bytes: {
    type: "gauge",
    help: "Memory in use on the JavaScript heap",
    read: ({ memory }) => memory.heapUsed,
  },
  microedge_memory_limit_bytes: {
    type: "gauge",
    help: "The tighter of limits.memory_limit_mib and the control group's",
    read: ({ memory }) => memory.limit,
  },
  microedge_memory_level: {
    type: "gauge",
    help: "1 for what the agent gives up for want of memory at the moment, 0 for the others",
    labels: ["level"],
    read: ({ memory }) => stateSet("level", LEVELS, memory.level),
  },
  microedge_memory_major_faults_total: {
    type: "counter",
    help: "Times that a page of the program had to be read from disk",
    read: ({ memory }) => memory.majorFaults,
  },
  microedge_memory_calls_shed_total: {
    type: "counter",
    help: "Calls that were refused for want of memory",
    read: ({ memory }) => memory.shedCalls,
  },
  microedge_memory_connections_closed_total: {
    type: "counter",
    help: "Idle connections that were closed for want of memory",
    read: ({ memory }) => memory.closedConnections,
  },
  microedge_time_state: {
    type: "gauge",
    help: "1 for how far the clock is trusted, 0 for the other states",
    labels: ["state"],
    read: ({ time }) => stateSet("state", TIME_STATES, time?.state),
  },
  microedge_time_clock_wrong: {
    type: "gauge",
    help: "1 while the clock of the device is known to be wrong",
    read: ({ time }) => time?.clockWrong,
  },
  microedge_time_offset_seconds: {
    type: "gauge",
    help: "How far the time that certificates are judged by is ahead of the clock of the device",
    read: ({ time }) => seconds(time?.offsetMs),
  },
  microedge_time_now_timestamp_seconds: {
    type: "gauge",
    help: "The time that certificates are judged by, at the scrape",
    read: ({ time }) => seconds(time?.nowMs),
  },
  microedge_time_floor_timestamp_seconds: {
    type: "gauge",
    help: "The latest moment that has certainly passed",
    read: ({ time }) => seconds(time?.floorMs),
  },
} as const satisfies Metrics;
