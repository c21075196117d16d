/**
 * Revocation put together: what is configured, where lists come from, who is judged by them, and what
 * status says of it.
 */
import { dirname, join } from "node:path";
import type { Logger } from "../base/log.ts";
import { openBlobCache } from "../host/blob-cache.ts";
import type { Clock } from "../host/clock.ts";
import type { Files } from "../host/files.ts";
import type { Network } from "../host/network.ts";
import type { Random } from "../host/random.ts";
import { splitPem } from "../identity/pem.ts";
import { certificateFacts } from "../identity/revocation/certificate-facts.ts";
import { type CrlInForce, CrlShelf } from "../identity/revocation/crl-shelf.ts";
import { DenyList } from "../identity/revocation/deny-list.ts";
import { freshnessOf } from "../identity/revocation/freshness.ts";
import { IssuerPool } from "../identity/revocation/issuer-pool.ts";
import { OcspAnswers } from "../identity/revocation/ocsp-answers.ts";
import { RevocationJudge } from "../identity/revocation/revocation-judge.ts";
import type { TimeView } from "../identity/time/time-view.ts";
import type { TlsMaterial, TlsMaterialSource } from "../identity/tls-material.ts";
import { parseTrustBundle } from "../identity/trust-bundle.ts";
import type { Reason } from "../identity/validator/candidate-report.ts";
import { type Certificate, parseCertificate } from "../identity/x509/certificate.ts";
import type { AttemptBudget } from "../queue/attempt-budget.ts";
import type { IntentHandlers } from "../queue/handlers.ts";
import type { IntentQueue } from "../queue/intent-queue.ts";
import type { RevocationView } from "../sidecar/revocation-view.ts";
import { CrlSources } from "../transport/crl-sources.ts";
import { HttpFetch } from "../transport/http-fetch.ts";
import { OcspClient } from "../transport/ocsp-client.ts";
import { OcspCopies } from "../transport/ocsp-copies.ts";
import { OcspStaple } from "../transport/ocsp-staple.ts";
import { PeerRevocation } from "../transport/peer-revocation.ts";
import type { ProxySettings } from "../transport/proxy-settings.ts";
import type { StatePorts } from "./agent-ports.ts";
import type { AgentConfig } from "./config.ts";
import { proxyOf } from "./outbound.ts";
import { RevocationRounds } from "./revocation-rounds.ts";

export interface RevocationParts {
  readonly source: TlsMaterialSource;
  readonly files: Files;
  readonly network: Network;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** What is known of the time. */
  time(): TimeView;
  /** Of all outgoing work. */
  readonly budget: AttemptBudget;
  /** Where rounds of fetching outlive a restart; `undefined` without a certificate store. */
  readonly queue?: IntentQueue | undefined;
  /** As for calls (`client.proxy`). */
  readonly proxy?: ProxySettings | undefined;
  /** Called with all that are in force after the start and whenever one was learned: they prove a time. */
  readonly proves?: ((crls: readonly CrlInForce[]) => void) | undefined;
}

type Settings = Pick<AgentConfig, "revocation" | "store" | "tls">;
type RevocationConfig = AgentConfig["revocation"];

const KIB = 1024;
const MAX_SPARED = 256;
/** While entries of a long list are read, others have their turn for this long. */
const BREATH_MS = 1;

export class Revocation implements AsyncDisposable {
  readonly peers: PeerRevocation;
  readonly #parts: RevocationParts;
  readonly #pool = new IssuerPool();
  readonly #shelf: CrlShelf;
  readonly #answers = new OcspAnswers();
  readonly #denyList = new DenyList();
  readonly #sources: CrlSources;
  readonly #ocsp: OcspClient;
  readonly #copies: OcspCopies;
  readonly #staple: OcspStaple;
  readonly #rounds: RevocationRounds;
  readonly #judge: RevocationJudge;
  readonly #spared = new Set<string>();
  readonly #unsubscribe: () => void;
  #config: RevocationConfig;
  #leaf: Certificate | undefined;
  /** The own certificate that was said to be revoked. */
  #toldOfOwn: Certificate | undefined;

  constructor(settings: Settings, parts: RevocationParts) {
    const { clock, random, log, network, files, source, proxy } = parts;
    const time = (): TimeView => parts.time();
    this.#parts = parts;
    this.#config = settings.revocation;
    if (source.absent === undefined) this.#trust(source.current);
    this.#deny();
    const breathe = (): Promise<void> => clock.sleep(BREATH_MS);
    this.#shelf = new CrlShelf({ pool: this.#pool, time, breathe });
    const http = new HttpFetch({
      network,
      clock,
      proxy,
      trustBundlePem: () => source.current.trustBundlePem,
    });
    const cacheDir = cacheDirOf(settings);
    const cache = cacheDir === undefined ? undefined : openBlobCache(cacheDir);
    this.#copies = new OcspCopies({ cache, clock, log });
    const shared = { pool: this.#pool, http, clock, random, log };
    this.#sources = new CrlSources(
      {
        ...shared,
        time,
        shelf: this.#shelf,
        files,
        cache,
        fileIntervalMs: settings.tls.reloadIntervalMs,
        maxBytes: () => this.#config.crlMaxKib * KIB,
        refreshMs: () => this.#config.crlRefreshMs,
      },
      {
        news: () => {
          this.#learned();
          parts.proves?.(this.#shelf.all());
        },
        due: (asked) => this.#rounds.due(asked),
      },
    );
    this.#ocsp = new OcspClient({
      ...shared,
      answers: this.#answers,
      copies: this.#copies,
      time,
      responder: () => this.#config.ocspResponder,
      timeoutMs: () => this.#config.ocspTimeoutMs,
    });
    const wanted = (): boolean => this.#config.ocsp !== "off";
    const leaf = (): Certificate | undefined => this.#leaf;
    this.#staple = new OcspStaple({ client: this.#ocsp, clock, time, leaf, wanted });
    this.#rounds = new RevocationRounds({
      ...{ lists: this.#sources, staple: this.#staple, budget: parts.budget, queue: parts.queue },
      ...{ clock, random, log },
    });
    this.#judge = new RevocationJudge({
      pool: this.#pool,
      shelf: this.#shelf,
      answers: this.#answers,
      denyList: this.#denyList,
      time,
      steadyMs: () => clock.monotonicMs(),
      settings: () => ({
        crl: this.#usesCrls() ? this.#config.crlFail : "off",
        ocsp: this.#config.ocsp,
      }),
      onSpared: (certificate, entry) => this.#saySpared(certificate, entry),
    });
    this.peers = new PeerRevocation({
      judge: this.#judge,
      pool: this.#pool,
      answers: this.#answers,
      ocsp: this.#ocsp,
      staple: this.#staple,
      clock,
      log,
      time,
      asksOcsp: wanted,
      follow: ({ x509 }) => {
        if (!this.#config.crlFromCertificates) return;
        this.#sources.follow(certificateFacts(x509.raw).crlUrls);
      },
    });
    this.#unsubscribe = source.subscribe((material) => this.#materialChanged(material));
  }

  /** For the queue's worker. */
  get handlers(): IntentHandlers {
    return { revocation: this.#rounds.handler };
  }

  /** As {@link recall}; from now on addresses and responders are asked when they are due, and not waited for. */
  async start(): Promise<void> {
    await this.recall();
    this.#rounds.start();
  }

  /** Puts kept lists and files in force, and asks nobody. */
  async recall(): Promise<void> {
    await this.#copies.recall();
    const agoMs = this.#rounds.askedAgoMs();
    if (agoMs !== undefined) this.#sources.askedBefore(agoMs);
    await this.#sources.configure(this.#config.crl);
    this.#learned();
    this.#parts.proves?.(this.#shelf.all());
  }

  /** There is a network again: what waits in a pause is tried soon. */
  networkIsBack(): void {
    this.#rounds.networkIsBack();
  }

  /** Puts checked settings in force: who is revoked by them is cut at once. */
  replace(config: RevocationConfig): void {
    if (JSON.stringify(config) === JSON.stringify(this.#config)) return;
    this.#config = config;
    this.#deny();
    this.#learned();
    void this.#sources.configure(config.crl).then(() => this.#learned());
    this.#rounds.due(false);
  }

  /** Looks at files now, and asks addresses soon. */
  reload(): Promise<void> {
    return this.#sources.reload();
  }

  view(): RevocationView {
    const { crl, crlFail, ocsp, crlFromCertificates } = this.#config;
    const time = this.#parts.time();
    const lists = this.#sources.all().map((source) => ({
      source: source.name,
      fault: source.fault,
      checkedAt: source.checkedAt,
      lists: source.inForce.map((list) => {
        const { state, words } = freshnessOf(list, time);
        return {
          issuer: list.issuer.certificate.summary.subject,
          number: list.number?.toString(),
          thisUpdate: list.thisUpdate,
          nextUpdate: list.nextUpdate,
          state,
          words,
          revoked: list.serials.count,
          bytes: list.serials.bytes,
        };
      }),
    }));
    return {
      crl: crl.length > 0 || crlFromCertificates ? crlFail : "off",
      ocsp,
      sources: lists,
      ocspAnswers: this.#answers.size,
      ocspFaults: this.#ocsp.faults(),
      stapleEndsAt: this.#staple.endsAt,
      denied: this.#denyList.size,
      deniedEnded: this.#denyList.ended(time.nowMs),
      cut: this.peers.cuts,
    };
  }

  /** What is known against a certificate of our own. @param chainPem Leaf first. */
  objections(chainPem: string): readonly Reason[] {
    const [leaf, ...above] = certificatesOf(chainPem);
    if (leaf === undefined) return [];
    this.#pool.offer(above);
    const verdict = this.#judge.judge(leaf);
    if (verdict.kind !== "revoked") return [];
    const fix = "have the authority issue a new certificate for a new key";
    return [{ code: "revoked", words: `the certificate was ${verdict.words}`, fix }];
  }

  /** Sentences a person should read. */
  warnings(): readonly string[] {
    const own = this.#ownObjections().map(({ words }) => `this device's own: ${words}`);
    const lists = this.view().sources.flatMap(({ source, fault, lists }) => {
      const words = fault === undefined ? [] : [`CRL ${source}: ${fault} (revocation.crl)`];
      for (const { issuer, state, words: why } of lists) {
        if (state !== "fresh") words.push(`the CRL of ${issuer} is ${why} (${source})`);
      }
      return words;
    });
    return [...own, ...lists];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#unsubscribe();
    const ended = this.#rounds[Symbol.asyncDispose]();
    this.#ocsp[Symbol.dispose]();
    this.peers[Symbol.dispose]();
    await this.#sources[Symbol.asyncDispose]();
    await ended;
    await this.#copies.written;
  }

  #usesCrls(): boolean {
    return this.#config.crl.length > 0 || this.#config.crlFromCertificates;
  }

  #deny(): void {
    const { deny, recovery, denyRecovery } = this.#config;
    this.#denyList.replace({ entries: deny, recovery, overrideRecovery: denyRecovery });
  }

  #trust({ trustBundlePem, trustDomains = [], chainPem }: TlsMaterial): void {
    const bundles = [trustBundlePem, ...trustDomains.map(({ pem }) => pem)];
    this.#pool.trust(bundles.flatMap((pem) => parseTrustBundle(pem)));
    const [leaf, ...above] = certificatesOf(chainPem);
    this.#leaf = leaf;
    // peers are mostly issued by who issued us, and Node does not show the intermediate that they send
    this.#pool.offer(above);
  }

  #materialChanged(material: TlsMaterial): void {
    this.#trust(material);
    this.#rounds.due(false);
    void this.#sources.reload().then(() => this.#learned());
  }

  /** Something new is known: of peers, and of ourselves. */
  #learned(): void {
    this.peers.learned();
    const [reason] = this.#ownObjections();
    if (reason !== undefined && this.#toldOfOwn !== this.#leaf) {
      const { subject, serial } = this.#leaf?.summary ?? {};
      this.#parts.log.emit("certificate.revoked", { subject, serial, reason: reason.words });
    }
    this.#toldOfOwn = reason === undefined ? undefined : this.#leaf;
  }

  #ownObjections(): readonly Reason[] {
    const { source } = this.#parts;
    return source.absent === undefined ? this.objections(source.current.chainPem) : [];
  }

  #saySpared({ summary }: Certificate, entry: string): void {
    const key = `${summary.fingerprint} ${entry}`;
    if (this.#spared.has(key) || this.#spared.size >= MAX_SPARED) return;
    this.#spared.add(key);
    const { subject, serial } = summary;
    this.#parts.log.emit("revocation.deny.spared", { subject, serial, entry });
  }
}

function certificatesOf(chainPem: string): readonly Certificate[] {
  return splitPem(chainPem)
    .filter(({ label }) => label.endsWith("CERTIFICATE"))
    .map(({ text }) => parseCertificate(text));
}

/** `undefined` without TLS. @param time What is known of the time; default the clock, taken for right. */
export function openRevocation(
  config: AgentConfig,
  ports: Pick<StatePorts, "files" | "network" | "clock" | "random"> & {
    readonly log: { readonly log: Logger };
  },
  source: TlsMaterialSource | undefined,
  outgoing: Pick<RevocationParts, "budget" | "queue">,
  time?: () => TimeView,
  proves?: RevocationParts["proves"],
): Revocation | undefined {
  if (source === undefined) {
    const { crl, deny, ocsp } = config.revocation;
    if (crl.length + deny.length === 0 && ocsp === "off") return undefined;
    const reason = "has no effect without TLS: nobody shows a certificate";
    ports.log.log.emit("config.warning", { key: "revocation", reason });
    return undefined;
  }
  const { files, network, clock, random, log } = ports;
  const plain = (): TimeView => ({
    state: "network",
    nowMs: clock.now(),
    floorMs: 0,
    clockWrong: false,
    words: undefined,
  });
  return new Revocation(config, {
    ...{ source, files, network, clock, random, log: log.log, proves },
    ...outgoing,
    proxy: proxyOf(config),
    time: time ?? plain,
  });
}

function cacheDirOf({ revocation, store }: Settings): string | undefined {
  if (revocation.cacheDir !== undefined) return revocation.cacheDir;
  return store.dir === undefined ? undefined : join(dirname(store.dir), "revocation");
}
