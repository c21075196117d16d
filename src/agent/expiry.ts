/**
 * The watch over our own certificates and the authorities of the trust bundles that are in force.
 */
import type { Logger } from "../base/log.ts";
import type { Clock } from "../host/clock.ts";
import { splitPem } from "../identity/pem.ts";
import type { WatchedCertificate } from "../identity/time/expiry-reading.ts";
import { ExpiryWatch } from "../identity/time/expiry-watch.ts";
import type { TlsMaterial, TlsMaterialSource } from "../identity/tls-material.ts";
import { parseTrustBundle } from "../identity/trust-bundle.ts";
import { parseCertificate } from "../identity/x509/certificate.ts";
import type { DeviceTime } from "./device-time.ts";

export interface ExpiryParts {
  readonly source: TlsMaterialSource;
  readonly time: DeviceTime;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Begins to watch, and looks anew whenever the material changes. */
export function watchExpiry({ source, time, clock, log }: ExpiryParts): ExpiryWatch {
  // Read once for each material: bundles are long, and looks come every hour.
  let watched: readonly WatchedCertificate[] = [];
  let digest: string | undefined;
  const certificates = (): readonly WatchedCertificate[] => {
    if (source.absent !== undefined) return [];
    const material = source.current;
    if (material.digest !== digest) {
      watched = certificatesOf(material);
      digest = material.digest;
    }
    return watched;
  };
  const view = () => time.trusted.view();
  const watch = new ExpiryWatch({ certificates, view, jumps: time.jumps, clock, log });
  watch.endWith(source.subscribe(() => void watch.look()));
  watch.start();
  return watch;
}

function certificatesOf({
  chainPem,
  trustBundlePem,
  trustDomains = [],
}: TlsMaterial): readonly WatchedCertificate[] {
  const chain = splitPem(chainPem)
    .filter(({ label }) => label.endsWith("CERTIFICATE"))
    .map(({ text }) => parseCertificate(text));
  const anchors = [trustBundlePem, ...trustDomains.map(({ pem }) => pem)].flatMap(parseTrustBundle);
  return [
    ...chain.map((certificate, at): WatchedCertificate => {
      return { role: at === 0 ? "leaf" : "intermediate", certificate };
    }),
    ...anchors.map((certificate): WatchedCertificate => ({ role: "anchor", certificate })),
  ];
}
