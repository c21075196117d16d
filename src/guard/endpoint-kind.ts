/** What an endpoint does to the device; decides who may call it. */
export type EndpointKind = "read" | "write" | "admin";

export const ENDPOINT_KINDS: readonly EndpointKind[] = ["read", "write", "admin"];
