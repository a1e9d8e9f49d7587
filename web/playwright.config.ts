import { defineConfig } from '@playwright/test';

// The system's Chromium (Debian: chromium). AJAR_BIN is the binary under test; `cargo xtask web` sets it.
export default defineConfig({
  testDir: 'e2e',
  // Pictures and measurements are taken by themselves: AJAR_WEB says which.
  testMatch: `**/${{ shots: 'shots', speed: 'speed' }[process.env.AJAR_WEB ?? ''] ?? '!(shots|speed)'}.test.ts`,
  outputDir: 'test-results',
  forbidOnly: true,
  fullyParallel: false,
  workers: 2,
  retries: 0,
  timeout: 60_000,
  expect: { timeout: 10_000 },
  reporter: [['list']],
  use: {
    launchOptions: {
      executablePath: process.env.AJAR_CHROMIUM ?? '/usr/bin/chromium',
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
      ],
    },
    trace: 'retain-on-failure',
    timezoneId: 'Europe/Berlin',
    locale: 'en-GB',
  },
});
