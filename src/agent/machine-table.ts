/**
 * What microedge touches on a machine besides its configuration keys: paths, ports and environment
 * variables. Documentation is made from it; the values that code uses stand in the code and a test
 * compares them.
 */
import { LOCAL_CONFIG_NAME, SYSTEM_CONFIG_PATH } from "./config.ts";
import { SECTIONS } from "./config-table.ts";

export interface Place {
  readonly name: string;
  readonly doc: string;
}

export const PATHS: readonly Place[] = [
  {
    name: SYSTEM_CONFIG_PATH,
    doc: "The configuration, unless `--config FILE` names another.",
  },
  {
    name: `./${LOCAL_CONFIG_NAME}`,
    doc: "The configuration, when the one above does not exist.",
  },
  {
    name: "/run/microedge/control.sock",
    doc: "Control socket, mode 0600, of the agent of the system; `control.socket` changes it.",
  },
  {
    name: "/var/lib/microedge",
    doc: "State directory of the system service: certificate store, sealing key and kept revocation lists, as `store.dir` says.",
  },
  {
    name: "/usr/bin/microedge",
    doc: "The program, as the Debian package and `systemd/microedge.service` have it.",
  },
  {
    name: "tls.cert, tls.key, tls.ca",
    doc: "Read at start, looked at every `tls.reload_interval_ms`, and on SIGHUP. Never written.",
  },
  {
    name: "/proc/uptime",
    doc: "Read: how long the machine has been up, suspended time included.",
  },
  {
    name: "/etc/machine-id, /run/machine-id, /proc/device-tree/serial-number, /proc/cpuinfo",
    doc: "Read when the device's own sealing key is used: what tells this device from a copy of its disk.",
  },
  {
    name: "/dev/tpmrm0, /usr/sbin, /sbin",
    doc: "Used only with `sealing.tpm_*` or `sealing.token_*`: the TPM, and where their tools are looked for.",
  },
  {
    name: "/run/systemd/timesync/synchronized",
    doc: "Read: whether systemd-timesyncd has set the clock. chronyd and ntpd are asked on UDP 323 and 123 of the loopback address.",
  },
  {
    name: "handlers.module",
    doc: "Read at start only.",
  },
  {
    name: "/proc/self/task, /proc/self/status, /proc/self/cgroup",
    doc: "Read: threads and memory of the process, and where its memory limit stands.",
  },
  {
    name: "/sys/fs/cgroup",
    doc: "Read: the memory limit that systemd or a container sets.",
  },
  {
    name: "/etc/passwd, /run/credentials",
    doc: "Read by `doctor`: whether the service's user can read the TLS files, and whether systemd hands them over.",
  },
  {
    name: "/proc/self/status, /proc/self/cgroup, /sys/fs/cgroup",
    doc: "Read by the agent: how much memory it has and how much it may have.",
  },
  {
    name: "/sys/dev/block, /sys/class/bdi",
    doc: "Read by `doctor`: how far the disk that holds the program reads ahead.",
  },
  {
    name: "/usr/local/bin, /usr/bin, /bin",
    doc: "Where systemd-notify is looked for, when systemd started the agent without PATH.",
  },
  {
    name: "$TMPDIR/microedge-demo-*",
    doc: "Made and removed by `demo`; without TMPDIR in /tmp.",
  },
];

export const PORTS: readonly Place[] = [
  {
    name: `TCP ${SECTIONS.rpc.listen.fallback.port}, ${SECTIONS.rpc.listen.fallback.host} only`,
    doc: "RPC over mutual TLS; `rpc.listen` changes address and port.",
  },
];

export const VARIABLES: readonly Place[] = [
  {
    name: "CREDENTIALS_DIRECTORY",
    doc: "Where systemd puts credentials; `sealing.credential` is looked for there.",
  },
  {
    name: "MICROEDGE_<SECTION>_<KEY>",
    doc: "Overrides a key of a section; the tables below name each. Lists can't be overridden. An unknown name is a warning.",
  },
  {
    name: "MICROEDGE_DEMO_GO_PEERS",
    doc: "`microedge demo`: where the go-micro peers are, when --go-peers does not say.",
  },
  {
    name: "MICRO_TLS_SECURE",
    doc: '"true" (go-micro v5): verify outbound peers, which microedge does anyway. "false" alone changes nothing and warns.',
  },
  {
    name: "MICRO_TLS_INSECURE",
    doc: '"true" (go-micro v6): do not verify outbound peers; said loudly at start and in status. Never weakens inbound. Contradicting MICRO_TLS_SECURE or tls.insecure_skip_verify is an error that names both.',
  },
  {
    name: "RUNTIME_DIRECTORY",
    doc: "Set by systemd: where the control socket is by default.",
  },
  {
    name: "NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID",
    doc: "Set by systemd (Type=notify, WatchdogSec): readiness, reload, stop and signs of life go there.",
  },
  {
    name: "UV_THREADPOOL_SIZE, MALLOC_ARENA_MAX, MALLOC_TRIM_THRESHOLD_",
    doc: "Set by the unit and the launcher before the program starts: four pool threads, so that neither slow name look-ups nor a slow card hold up a file, and an allocator that gives memory back.",
  },
  {
    name: "MICROEDGE_NODE",
    doc: "Read by the launcher beside the bundle, which the single executables do without: the Node.js to run, 24 or later.",
  },
  {
    name: "PATH",
    doc: "Where systemd-notify is looked for when systemd started the agent, and Node.js by the launcher.",
  },
  { name: "TMPDIR", doc: "`demo`: where its directory is made." },
  { name: "NO_COLOR, TERM", doc: "NO_COLOR not empty, or TERM=dumb: no colours on a terminal." },
];
