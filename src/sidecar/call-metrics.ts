/** Metrics of peers: their connections, their calls and ours, and what was refused. */
import { counted, type Metrics } from "./metric.ts";

export const CALL_METRICS = {
  microedge_calls_total: {
    type: "counter",
    help: "Calls and streams that peers began, refused ones included",
    read: ({ counters }) => counters["calls"],
  },
  microedge_calls_failed_total: {
    type: "counter",
    help: "Calls and streams of peers that were answered with an error, refused ones included",
    read: ({ counters }) => counters["errors"],
  },
  microedge_calls_refused_total: {
    type: "counter",
    help: "Calls that were answered with an error of the agent's own: limits, access policy, deadlines, bad messages",
    labels: ["code"],
    read: ({ counters }) => counted(counters, "calls_refused", "code"),
  },
  microedge_limit_refusals_total: {
    type: "counter",
    help: "Calls and connections that a limit refused, by its key under [limits]",
    labels: ["limit"],
    read: ({ counters }) => counted(counters, "limited", "limit"),
  },
  microedge_messages_refused_total: {
    type: "counter",
    help: "Messages that could not be read, after which their connection was closed",
    labels: ["code"],
    read: ({ counters }) => counted(counters, "messages_refused", "code"),
  },
  microedge_streams_open: {
    type: "gauge",
    help: "Streams of peers that are open",
    read: ({ counters }) => counters["streams_open"],
  },
  microedge_stream_messages_late_total: {
    type: "counter",
    help: "Messages that were dropped because their stream had ended",
    read: ({ counters }) => counters["stream_messages_late"],
  },
  microedge_topic_messages_dropped_total: {
    type: "counter",
    help: "Published messages that nobody here subscribes to",
    read: ({ counters }) => counters["events_dropped"],
  },
  microedge_client_calls_total: {
    type: "counter",
    help: "Calls that this device began",
    read: ({ counters }) => counters["client_calls"],
  },
  microedge_client_calls_succeeded_total: {
    type: "counter",
    help: "Calls of this device that were answered without an error",
    read: ({ counters }) => counters["client_succeeded"],
  },
  microedge_client_calls_failed_total: {
    type: "counter",
    help: "Calls and streams of this device that failed; ERR_RPC_REMOTE is an error of the service itself",
    labels: ["code"],
    read: ({ counters }) => counted(counters, "client_failed", "code"),
  },
  microedge_client_retries_total: {
    type: "counter",
    help: "Attempts of this device's calls after the first",
    read: ({ counters }) => counters["client_retries"],
  },
  microedge_client_streams_total: {
    type: "counter",
    help: "Streams that this device began",
    read: ({ counters }) => counters["client_streams"],
  },
  microedge_connections: {
    type: "gauge",
    help: "Connections of peers that are open, their handshake done",
    read: ({ connections }) => connections,
  },
  microedge_connections_accepted_total: {
    type: "counter",
    help: "Connections that TCP brought",
    read: ({ counters }) => counters["connections_accepted"],
  },
  microedge_connections_refused_total: {
    type: "counter",
    help: "Connections that were turned away or had to give way",
    labels: ["cause"],
    read: ({ counters }) => counted(counters, "connections_refused", "cause"),
  },
  microedge_handshakes_failed_total: {
    type: "counter",
    help: "TLS handshakes that did not come to an end",
    labels: ["cause"],
    read: ({ counters }) => counted(counters, "handshakes_failed", "cause"),
  },
  microedge_peers_refused_total: {
    type: "counter",
    help: "Peers whose certificate was refused",
    labels: ["cause"],
    read: ({ counters }) => counted(counters, "peers_refused", "cause"),
  },
  microedge_peers_observed_total: {
    type: "counter",
    help: "Peers that were let in only because tls.verify is observe",
    labels: ["cause"],
    read: ({ counters }) => counted(counters, "peers_observed", "cause"),
  },
} as const satisfies Metrics;
