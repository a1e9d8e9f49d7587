// Many requests on record, quickly, in two ways that ask nobody, so that no brake holds them up: emergencies that a rule denies at once, and
// what is approved automatically and given back.
import { Agent, request } from 'node:http';
import type { Demo, Who } from './demo';

const PEOPLE: Who[] = ['dev', 'peer'];
const ROLES = Array.from({ length: 16 }, (_, n) => `part-${n}`);
const FILE = `
[[rule]]
name = "no-emergencies"
who = ["group:engineers"]
resources = ["orders-db", "sample-api"]
roles = ["read", "write", "refund"]
deny = true
when = "context.emergency"

[[resource]]
name = "parts-api"
kind = "http"
owners = ["group:orders"]
upstream = "http://127.0.0.1:9"
${ROLES.map((role) => `[resource.roles.${role}]\nallow = ["GET /${role}/**"]`).join('\n')}

[[rule]]
name = "engineers-read-parts"
who = ["group:engineers"]
resources = ["parts-api"]
roles = [${ROLES.map((role) => `"${role}"`).join(', ')}]
max = "1h"
approve = "auto"
`;
const DENIED = [
  { resource: 'orders-db', role: 'read' },
  { resource: 'orders-db', role: 'write' },
  { resource: 'sample-api', role: 'read' },
  { resource: 'sample-api', role: 'refund' },
];

/** Files so many; the reason of each has its number. Of the `recent` last ones every other is approved, the others are denied. */
export async function fill(demo: Demo, count: number, recent: number): Promise<void> {
  const { files } = await demo.call<{ files: Record<string, string> }>('operator', 'GET', 'policy');
  await demo.call('operator', 'POST', 'policy', { files: { ...files, 'many.toml': FILE } });
  // Each has a role of somebody to itself: what is open already is not asked for again.
  const lanes = PEOPLE.flatMap((who) => ROLES.map((role) => ({ who, role })));
  const agent = new Agent({ keepAlive: true, maxSockets: lanes.length });
  const post = <T>(who: Who, path: string, body?: unknown) =>
    new Promise<T>((then, failed) => {
      const headers = { authorization: `Bearer ${demo.account(who).token}`, 'content-type': 'application/json' };
      const sent = request(`${demo.ready.api}/api/v1/${path}`, { method: 'POST', agent, headers }, (answer) => {
        let text = '';
        answer.on('data', (data: Buffer) => (text += data.toString()));
        answer.on('end', () => (answer.statusCode === 200 ? then(JSON.parse(text) as T) : failed(new Error(`${path}: ${answer.statusCode} ${text}`))));
      });
      sent.on('error', failed).end(body === undefined ? '' : JSON.stringify(body));
    });
  let next = 0;
  const lane = async ({ who, role }: (typeof lanes)[number]) => {
    while (next < count) {
      const n = next++;
      const more = n % 3 ? '' : ', as are those of the same customer; what was tried: to send it again, to book it anew, and to cancel it from the page for support';
      const ask = { reason: `INC-${n}: order ${n * 7} is stuck since the last deployment${more}`, for: '10m' };
      if (n < count - recent || n % 2) {
        await post(who, 'requests', { ...ask, ...DENIED[n % DENIED.length], emergency: true });
      } else {
        const { grants } = await post<{ grants: { id: string }[] }>(who, 'requests', { ...ask, resource: 'parts-api', role });
        for (const { id } of grants) await post(who, `grants/${id}/return`);
      }
    }
  };
  try {
    await Promise.all(lanes.map(lane));
  } finally {
    agent.destroy();
  }
}
