/**
 * An agent while it runs: starts the parts that start-agent.ts has built, all of them or none, and stops
 * them in reverse.
 *
 *     control socket -> metrics -> watchdog -> RPC server -> listener -> renewal -> the queue's worker
 *
 * Stopping: the listener takes no more, open calls finish within `rpc.drain_timeout_ms`, and the control
 * socket answers until they have.
 */
import { BUILD } from "../base/build.ts";
import { AgentError } from "../base/errors.ts";
import type { ExpiryWatch } from "../identity/time/expiry-watch.ts";
import type { IntentHandlers } from "../queue/handlers.ts";
import { formatAddress } from "../registry/address.ts";
import type { LoadedModule } from "../services/handler-modules.ts";
import { AdminApi } from "../sidecar/admin-api.ts";
import { AdminClient } from "../sidecar/admin-client.ts";
import type { AgentState, ReloadView, StatusView } from "../sidecar/admin-operations.ts";
import { assertBundles } from "./access-bundles.ts";
import type { AgentPorts } from "./agent-ports.ts";
import type { LoadedConfig } from "./config.ts";
import { clockView, type DeviceTime } from "./device-time.ts";
import type { Inbound } from "./inbound.ts";
import { MetricsPort } from "./metrics.ts";
import { NO_PUSHES, NO_QUEUE, NO_RENEWAL, noCertificates } from "./no-store.ts";
import { Operations } from "./operations.ts";
import { type Outbound, staticRegistry } from "./outbound.ts";
import type { OwnIdentity } from "./own-identity.ts";
import type { Pushes } from "./pushes.ts";
import { Reloader } from "./reloader.ts";
import type { Renewal } from "./renewal.ts";
import type { Revocation } from "./revocation.ts";
import type { RotationQueue } from "./rotation-queue.ts";
import * as status from "./status.ts";
import { TimeAnswers } from "./time-answers.ts";
import { Watchdog } from "./watchdog.ts";

/** Of a long trust bundle only what ends first is shown. */
const MAX_EXPIRY = 16;
/** How often a listener that waits for its address is looked at. */
const READY_POLL_MS = 250;

/** What an agent is built from (start-agent.ts). */
export interface Rooms {
  readonly identity: OwnIdentity | undefined;
  readonly time: DeviceTime;
  readonly expiry: ExpiryWatch | undefined;
  readonly revocation: Revocation | undefined;
  readonly outbound: Outbound;
  readonly inbound: Inbound;
  readonly modules: readonly LoadedModule[];
  readonly queue: RotationQueue | undefined;
  readonly renewal: Renewal | undefined;
  readonly pushes: Pushes | undefined;
  /** What works the queue off. */
  readonly handlers: IntentHandlers;
}

export class Agent implements AsyncDisposable {
  readonly #ports: AgentPorts;
  readonly #rooms: Rooms;
  readonly #reloader: Reloader;
  readonly #metrics: MetricsPort;
  readonly #startedAt: number;
  readonly #startedAtMonotonic: number;
  /** Aborts when stopping begins. */
  readonly #stopping = new AbortController();
  /** Aborts when open calls of the command line get no more time. */
  readonly #givenUp = new AbortController();
  #phase: status.Phase = "starting";
  #running: AsyncDisposableStack | undefined;
  #stopped: Promise<void> | undefined;

  /** Use `startAgent` (start-agent.ts). */
  constructor(loaded: LoadedConfig, ports: AgentPorts, rooms: Rooms) {
    this.#ports = ports;
    this.#rooms = rooms;
    this.#startedAt = ports.clock.now();
    this.#startedAtMonotonic = ports.clock.monotonicMs();
    const { clock, log } = ports;
    this.#metrics = new MetricsPort({ clock, log: log.log, status: () => this.status() });
    this.#reloader = new Reloader(loaded, {
      log: ports.log.log,
      notifier: ports.notifier,
      readAgain: async () => {
        const fresh = await ports.readAgain();
        await assertBundles(fresh.config, ports.files);
        return fresh;
      },
      apply: (config) => {
        ports.log.setLevel(config.log.level);
        rooms.outbound.registry.replace(staticRegistry(config));
        rooms.identity?.apply(config);
        rooms.renewal?.apply(config);
        rooms.inbound.access.replace(config.acl);
        rooms.inbound.limits.replace(config.limits);
        rooms.revocation?.replace(config.revocation);
        void this.#metrics.apply(config.metrics.listen);
      },
      reloadFiles: async () => {
        await rooms.revocation?.reload();
        return rooms.identity?.reload();
      },
      statusText: () => this.#statusText(),
    });
  }

  /** `host:port` that the listener is bound to; `undefined` while its address is not there yet. */
  get listen(): string | undefined {
    return this.#rooms.inbound.listener.address;
  }

  get state(): AgentState {
    return status.agentState(this.#phase, this.#rooms.inbound.listener.state);
  }

  /** Starts what serves and takes over what runs already. Use `startAgent`. */
  async start(building: AsyncDisposableStack, signal: AbortSignal): Promise<void> {
    const { clock, log, notifier, random } = this.#ports;
    const { inbound } = this.#rooms;
    const { config } = this.#reloader.loaded;
    const { controlSocketPath: path } = config;
    const control = new AdminApi({
      path,
      operations: this.#operations(),
      log: log.log,
      random,
      clock,
    });
    await control.start(signal);
    building.use(control);
    building.use(this.#metrics);
    await this.#metrics.apply(config.metrics.listen);
    const prove = (late: AbortSignal): Promise<unknown> => new AdminClient(path).status(late);
    const watchdog = new Watchdog({ notifier, clock, log: log.log, prove });
    await watchdog.start();
    building.use(watchdog);
    building.defer(() => inbound.server.drain(config.rpc.drainTimeoutMs));
    await inbound.listener.start(signal);
    building.use(inbound.listener);
    inbound.memory.start();
    await this.#rooms.renewal?.start(signal);
    const { queue, renewal, pushes, handlers } = this.#rooms;
    await pushes?.start();
    // Before the control socket ends, which waits for its answers; after the worker, for those are better.
    building.defer(() => renewal?.endWaits());
    building.defer(() => pushes?.endWaits());
    if (queue !== undefined) building.use(queue.start(handlers));
    signal.throwIfAborted();
    this.#running = building.move();
    this.#phase = "running";
    if (this.listen === undefined) this.#awaitAddress();
    else this.#sayReady();
    await notifier.ready(this.#statusText());
  }

  /**
   * Reads configuration and TLS files again.
   *
   * @throws AgentError `ERR_CONFIG_*` or `ERR_TLS_MATERIAL`; see {@link Reloader.reload}.
   */
  reload(): Promise<ReloadView> {
    return this.#reloader.reload();
  }

  /**
   * Stops: open calls finish within `rpc.drain_timeout_ms`, the rest is cut off. May be called again;
   * never rejects.
   */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  status(): StatusView {
    const { clock, pid, version } = this.#ports;
    const { inbound, outbound, identity, revocation, modules, time, expiry } = this.#rooms;
    const { config, warnings } = this.#reloader.loaded;
    const { listener, server } = inbound;
    const client = outbound.client.status;
    const material = identity === undefined ? undefined : materialOf(identity);
    const { rss, heapUsed } = this.#ports.memory();
    const readings = expiry?.look();
    const ends = readings?.slice(0, MAX_EXPIRY);
    return {
      name: config.service.name,
      version,
      commit: BUILD.commit,
      pid,
      state: this.state,
      startedAt: this.#startedAt,
      uptimeMs: Math.round(clock.monotonicMs() - this.#startedAtMonotonic),
      configPath: config.file,
      listener: status.listenerView(formatAddress(config.rpc.listen), listener.state),
      tls: status.tlsView(config, material, clock.now()),
      identity: identity?.view(),
      revocation: revocation?.view(),
      time: clockView(time, clock),
      expiry: ends,
      trust: readings === undefined ? undefined : status.trustView(readings),
      queue: this.#rooms.queue?.view(),
      renewal: this.#rooms.renewal?.status(),
      connections: listener.open,
      counters: status.countersView(
        server.counters,
        listener.counters,
        client,
        inbound.limits.view(),
      ),
      events: Object.fromEntries(this.#ports.log.counts),
      memory: { rss, heapUsed, ...inbound.memory.view() },
      handlers: modules.map(({ module, service }) => ({ module, service })),
      warnings: status.statusWarnings({
        nowMs: clock.now(),
        config,
        configWarnings: warnings,
        material,
        client,
        reloadRefused: this.#reloader.refused,
        needRestart: this.#reloader.needRestart,
        revocation: revocation?.warnings() ?? [],
        queue: this.#rooms.queue?.warnings() ?? [],
        metrics: this.#metrics.fault,
        ...(ends === undefined ? {} : { expiry: ends }),
      }),
    };
  }

  #operations(): Operations {
    const { inbound, outbound, identity } = this.#rooms;
    return new Operations({
      certificates: identity?.certificates ?? noCertificates("rpc.insecure_plaintext is on"),
      queue: this.#rooms.queue?.operations ?? NO_QUEUE,
      renewal: this.#rooms.renewal ?? NO_RENEWAL,
      pushes: this.#rooms.pushes ?? NO_PUSHES,
      time: new TimeAnswers(this.#rooms.time.trusted),
      clock: this.#ports.clock,
      client: outbound.client,
      registry: outbound.registry,
      table: inbound.table,
      loaded: () => this.#reloader.loaded,
      network: this.#ports.network,
      material: () => {
        const source = identity?.source;
        return source?.absent === undefined ? source?.current : undefined;
      },
      leaf: () => identity?.leaf,
      listen: () => this.listen,
      status: () => this.status(),
      limits: () => inbound.limits.view(),
      reload: () => this.reload(),
      givenUp: this.#givenUp.signal,
    });
  }

  async #stop(): Promise<void> {
    const { clock, log, notifier } = this.#ports;
    const { drainTimeoutMs } = this.#reloader.loaded.config.rpc;
    const stopping = new AgentError("ERR_RPC_DRAINING", "the agent is stopping");
    this.#phase = "draining";
    this.#stopping.abort(stopping);
    log.log.emit("agent.draining", { connections: this.#rooms.inbound.listener.open });
    const told = notifier.stopping("finishing open calls");
    const timer = clock.setTimer(drainTimeoutMs, () => this.#givenUp.abort(stopping));
    await this.#running?.disposeAsync();
    timer.cancel();
    await told;
    log.log.emit("agent.stopped");
    log.close();
  }

  /** Says ready when the listener has got its address. */
  #awaitAddress(): void {
    const { clock, notifier } = this.#ports;
    const { signal } = this.#stopping;
    const wait = async (): Promise<void> => {
      while (this.listen === undefined) await clock.sleep(READY_POLL_MS, signal);
      this.#sayReady();
      await notifier.status(this.#statusText());
    };
    const waiting = wait().catch((reason: unknown) => {
      if (!signal.aborted) throw reason;
    });
    this.#running?.defer(() => waiting);
  }

  #sayReady(): void {
    const { config } = this.#reloader.loaded;
    this.#ports.log.log.emit("agent.ready", {
      listen: this.listen,
      service: config.service.name,
      version: this.#ports.version,
      verify: status.tlsView(config, undefined, this.#ports.clock.now()).verify,
      control: config.controlSocketPath,
    });
  }

  #statusText(): string {
    const { listener } = this.#rooms.inbound;
    if (listener.state.kind === "waiting") return `waiting: ${listener.state.reason}`;
    return `serving on ${this.listen ?? "nothing"}`;
  }
}

function materialOf({ leaf, warnings, refusal }: OwnIdentity): status.OwnMaterial {
  return { leaf: leaf?.summary, warnings, refusal };
}
