import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { gzipSync } from 'node:zlib';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';

// For `npm run dev`: the server whose pages these are, such as http://localhost:7431.
const server = process.env.AJAR_URL;
const proxied = server && {
  target: server,
  configure: (proxy: { on(event: 'proxyReq', then: (request: { setHeader(name: string, value: string): void }) => void): void }) =>
    proxy.on('proxyReq', (request) => request.setHeader('origin', server)),
};

/** Beside each file that is worth it, the same compressed: the server hands out what was packed once. */
let folder = '';
const packed = {
  name: 'packed',
  apply: 'build' as const,
  configResolved({ root, build }: { root: string; build: { outDir: string } }) {
    folder = resolve(root, build.outDir);
  },
  closeBundle() {
    for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
      if (/\.(js|css|svg|wasm)$/.test(name)) writeFileSync(join(folder, `${name}.gz`), gzipSync(readFileSync(join(folder, name)), { level: 9 }));
    }
  },
};

// Paths are relative to <base>, which the server sets: the pages work below any path.
export default defineConfig({
  base: './',
  plugins: [svelte(), packed],
  resolve: process.env.VITEST ? { conditions: ['browser'] } : {},
  server: proxied ? { proxy: { '/api': proxied } } : {},
  build: { target: 'es2022', assetsInlineLimit: 0, modulePreload: { polyfill: false } },
  test: { include: ['test/**/*.test.ts'] },
});
