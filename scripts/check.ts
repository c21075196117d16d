/** `npm run check`: the gates that need no build and no Go, in order; under a minute. */
process.argv.push("--quick");
await import("./run-tests.ts");
