// Bundles the extension into dist/extension.js; with --tests, the tests into dist/unit and dist/host.
import { build } from "esbuild";
import { readdirSync } from "node:fs";

const shared = { bundle: true, platform: "node", target: "node20", format: "cjs", logLevel: "warning" };

if (process.argv.includes("--tests")) {
  const tests = readdirSync("src/test").filter((name) => name.endsWith(".test.ts"));
  await build({
    ...shared,
    entryPoints: tests.map((name) => `src/test/${name}`),
    outdir: "dist/unit",
  });
  // For the extension host.
  await build({ ...shared, entryPoints: ["src/test/host/index.ts"], outfile: "dist/host/index.js", external: ["vscode"] });
} else {
  await build({
    ...shared,
    entryPoints: ["src/extension.ts"],
    outfile: "dist/extension.js",
    external: ["vscode"],
    minify: true,
    sourcemap: false,
  });
}
