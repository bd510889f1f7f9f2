// A stand-in for the service, for working on the page: serves it with synthetic metrics under the
// content security policy that the service sends.
//
//     node tests/page/mock.mjs [--port 8099] [--series 2000] [--hostile] [--history 0]
//
// --history speeds its clock up for the first SECONDS, so that pictures are full at once. Orders
// for the tests: POST /restart, /down (no answers but errors), /up, /health/live|late|dead.

import { createServer } from 'node:http';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const PAGE = fileURLToPath(new URL('../../src/http/page.html', import.meta.url));
const POLICY =
  "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; " +
  "connect-src 'self'; img-src data:";

export const HOSTILE = [
  '<img src=x onerror="window.__pwned=1">',
  '"><script>window.__pwned=2</script>',
  '</script><script>window.__pwned=3</script>',
  `it's "quoted" \\ and \`ticked\` \${window.__pwned=4}`,
  'first line\nsecond line\ttab\r\n',
  'right \u202eto left\u202c \u2066isolate\u2069 \u05e9\u05dc\u05d5\u05dd',
  'x'.repeat(4096),
  'javascript:window.__pwned=5',
  'nul \u0000 escape \u001b[31m \ufeff',
];

// A generator with a seed (mulberry32): every run draws the same.
function random(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

// HdrHistogram's layout for two significant digits.
function bucketOf(value) {
  const shift = Math.max(0, Math.floor(Math.log2(Math.max(1, value))) - 7);
  const low = Math.floor(value / 2 ** shift) * 2 ** shift;
  return [low, low + 2 ** shift - 1];
}

class Distribution {
  constructor(draw, perSecond) {
    Object.assign(this, {
      draw,
      perSecond,
      count: 0,
      sum: 0,
      min: Infinity,
      max: 0,
      table: new Map(),
    });
  }

  add(value) {
    value = Math.max(0, Math.round(value));
    const [low, high] = bucketOf(value);
    const bucket = this.table.get(low);
    if (bucket) bucket[2]++;
    else this.table.set(low, [low, high, 1]);
    this.count++;
    this.sum += value;
    this.min = Math.min(this.min, value);
    this.max = Math.max(this.max, value);
  }

  toJSON() {
    const { count, sum, min, max } = this;
    const buckets = [...this.table.values()].sort((a, b) => a[0] - b[0]);
    if (!count) return { count, sum, buckets };
    const quantile = (q) => {
      const rank = Math.max(1, Math.ceil(q * count));
      let seen = 0;
      return Math.min(max, buckets.find((bucket) => (seen += bucket[2]) >= rank)[1]);
    };
    return {
      count,
      sum,
      min,
      max,
      p50: quantile(0.5),
      p90: quantile(0.9),
      p99: quantile(0.99),
      p99_9: quantile(0.999),
      buckets,
    };
  }
}

class Service {
  constructor({ series, hostile }, now) {
    this.random = random(7);
    this.pid = 4000 + Math.floor(Math.random() * 5000);
    this.since = now;
    this.at = now;
    this.sequence = 0;
    this.families = [];
    this.advances = [];
    this.build(series);
    if (hostile) this.buildHostile();
  }

  normal() {
    return Math.sqrt(-2 * Math.log(1 - this.random())) * Math.cos(2 * Math.PI * this.random());
  }

  family(name, kind, unit, help) {
    const family = { name, kind, unit, help, series: [] };
    this.families.push(family);
    return family;
  }

  counter(family, labels, rate) {
    const one = { labels, total: 0 };
    let owed = 0;
    family.series.push(one);
    this.advances.push((seconds, t) => {
      owed += Math.max(0, rate(t) * seconds * (1 + 0.06 * this.normal()));
      one.total += Math.floor(owed);
      owed -= Math.floor(owed);
    });
  }

  gauge(family, labels, value) {
    const one = { labels, value: 0 };
    family.series.push(one);
    this.advances.push((_, t) => {
      one.value = value(t);
    });
  }

  histogram(family, labels, rate, draw) {
    const one = { labels, distribution: new Distribution() };
    let owed = 0;
    family.series.push(one);
    this.advances.push((seconds, t) => {
      for (owed += rate(t) * seconds; owed >= 1; owed--) one.distribution.add(draw(t));
    });
  }

  latency(median, spread) {
    return (t) => {
      const busy = t % 120 > 70 && t % 120 < 95 ? 2.2 : 1;
      if (this.random() < 0.03) return median * 14 * Math.exp(0.25 * this.normal());
      return median * busy * Math.exp(spread * this.normal());
    };
  }

  build(series) {
    const wave =
      (base, swing, period, phase = 0) =>
      (t) =>
        base * (1 + swing * Math.sin((t / period + phase) * 2 * Math.PI));
    const requests = this.family('http.requests', 'counter', undefined, 'Requests answered');
    const duration = this.family(
      'http.duration',
      'histogram',
      'ns',
      'Time from the first byte read to the last one written',
    );
    const routes = [
      ['GET', '/', 420, 180e3],
      ['GET', '/search', 160, 2.4e6],
      ['POST', '/orders', 38, 9.1e6],
      ['GET', '/orders/:id', 95, 610e3],
    ];
    for (const [method, route, rate, median] of routes) {
      this.counter(requests, { method, route, status: '200' }, wave(rate, 0.25, 90, median % 7));
      this.histogram(
        duration,
        { method, route },
        wave(rate, 0.25, 90, median % 7),
        this.latency(median, 0.28),
      );
    }
    this.counter(requests, { method: 'POST', route: '/orders', status: '503' }, (t) =>
      t % 120 > 70 && t % 120 < 95 ? 6 : 0.05,
    );
    this.counter(
      this.family('http.sent', 'counter', 'By', 'Bytes of bodies sent'),
      undefined,
      wave(3.2e6, 0.3, 70),
    );
    this.counter(this.family('cache.lookups', 'counter'), { outcome: 'hit' }, wave(910, 0.15, 60));
    this.counter(this.families.at(-1), { outcome: 'miss' }, wave(41, 0.5, 45));
    this.histogram(
      this.family('http.response.size', 'histogram', 'By', 'Size of bodies'),
      undefined,
      wave(300, 0.2, 80),
      () => Math.exp(9 + 1.1 * this.normal()),
    );
    this.histogram(
      this.family('queue.wait', 'histogram', 'us', 'Time a job waits'),
      { queue: 'mail' },
      wave(24, 0.6, 150),
      (t) => 900 * Math.exp(0.6 * this.normal()) * (1 + (t % 300) / 150),
    );
    this.histogram(
      this.family('batch.rows', 'histogram', undefined, 'Rows in a batch'),
      undefined,
      () => 12,
      () => 1 + Math.floor(-8 * Math.log(1 - this.random())),
    );
    this.histogram(
      this.family('rebuild.duration', 'histogram', 'ms'),
      undefined,
      () => 0,
      () => 0,
    );
    this.gauge(
      this.family('http.active', 'up_down_counter', undefined, 'Requests being answered'),
      undefined,
      (t) => Math.round(14 + 8 * Math.sin(t / 11) + 3 * this.normal()),
    );
    this.gauge(this.family('pool.connections', 'up_down_counter'), { pool: 'orders' }, (t) =>
      t % 60 < 30 ? 8 : 16,
    );
    this.gauge(
      this.family('queue.depth', 'gauge', undefined, 'Jobs waiting'),
      { queue: 'mail' },
      (t) => Math.round(40 + 35 * Math.sin(t / 47)),
    );
    this.gauge(
      this.family('process.memory.usage', 'gauge', 'By', 'Resident memory'),
      undefined,
      (t) => Math.round(212e6 + 11e6 * Math.sin(t / 25) + t * 9e3),
    );
    this.gauge(
      this.family('process.cpu.utilization.of_one_core', 'gauge', '%'),
      undefined,
      (t) => 61 + 20 * Math.sin(t / 33) + 2 * this.normal(),
    );
    this.gauge(this.family('cache.ratio', 'gauge', '1'), { cache: 'empty' }, () => 'NaN');
    this.gauge(this.families.at(-1), { cache: 'main' }, (t) => 0.93 + 0.04 * Math.sin(t / 40));
    this.gauge(this.family('limit', 'gauge'), undefined, () => 'Infinity');
    this.histogram(
      this.family(
        'quipu.flush.duration',
        'histogram',
        'ns',
        'Time to read all series and publish the snapshot',
      ),
      undefined,
      () => 1,
      this.latency(21e3, 0.2),
    );
    this.counter(
      this.family('quipu.flush.missed', 'counter', undefined, 'Ticks that passed without a flush'),
      undefined,
      () => 0,
    );

    const many = Math.max(0, series - 30);
    const counts = this.family('load.operations', 'counter', undefined, 'Synthetic');
    const times = this.family('load.duration', 'histogram', 'ns', 'Synthetic, of 100 buckets');
    const levels = this.family('load.level', 'gauge', undefined, 'Synthetic');
    for (let i = 0; i < many; i++) {
      const labels = { shard: String(i).padStart(4, '0'), zone: 'abcdef'[i % 6] };
      if (i % 5 === 0) this.wide(times, labels, 1e4 * (1 + (i % 97)));
      else if (i % 5 === 1) this.gauge(levels, labels, wave(50 + i, 0.4, 30 + (i % 60)));
      else this.counter(counts, labels, wave(5 + (i % 211), 0.3, 40 + (i % 50)));
    }
  }

  // A hundred buckets that all change, cheaply drawn.
  wide(family, labels, lowest) {
    const one = { labels, distribution: new Distribution() };
    family.series.push(one);
    const values = Array.from({ length: 100 }, (_, i) => lowest * 1.03 ** i);
    for (const value of values) one.distribution.add(value);
    this.advances.push(() => {
      for (let i = 0; i < 100; i++)
        if (i < 50 || this.random() < 0.3) one.distribution.add(values[i]);
    });
  }

  buildHostile() {
    const counts = this.family('hostile.counter<b>', 'counter', undefined, HOSTILE[0] + HOSTILE[1]);
    const times = this.family('hostile.duration', 'histogram', 'ns', HOSTILE[5]);
    HOSTILE.forEach((value, i) => {
      this.counter(counts, { value, ['key' + (i === 0 ? HOSTILE[0] : '')]: String(i) }, () => 3);
      this.histogram(times, { value }, () => 20, this.latency(1e5, 0.3));
    });
    this.gauge(
      this.family('hostile.unit', 'gauge', '<u onclick=alert(1)>'),
      { __proto__x: '1', constructor: 'y' },
      () => 1,
    );
    this.counter(this.family('hostile.' + 'n'.repeat(3000), 'counter'), undefined, () => 1);
    this.counter(this.family('__proto__', 'counter'), undefined, () => 1);
  }

  advance(now) {
    const seconds = (now - this.at) / 1000;
    for (const one of this.advances) one(seconds, (now - this.since) / 1000);
    this.at = now;
    this.sequence++;
  }

  document() {
    return JSON.stringify({
      time: new Date(this.at).toISOString(),
      since: new Date(this.since).toISOString(),
      sequence: this.sequence,
      uptime_s: (this.at - this.since) / 1000,
      pid: this.pid,
      families: this.families
        .filter((family) => family.series.length)
        .map(({ name, kind, unit, help, series }) => ({
          name,
          kind,
          unit,
          help,
          series: series.map((one) =>
            one.distribution ? { labels: one.labels, ...one.distribution.toJSON() } : one,
          ),
        })),
    });
  }
}

// Listens on a free port unless told otherwise; gives the address and a way to stop.
export function serve({ port = 0, series = 30, hostile = false, history = 0 } = {}) {
  // While there is history to fill, every poll finds the clock a second further on.
  let ahead = -history * 1000;
  const clock = () => Date.now() + ahead;
  let service = new Service({ series, hostile }, clock());
  let down = false;
  let health = 'live';
  const server = createServer((request, response) => {
    const path = new URL(request.url, 'http://mock').pathname;
    const answer = (status, type, body) => {
      response.writeHead(status, {
        'content-type': type,
        'content-security-policy': POLICY,
        'cache-control': 'no-store',
      });
      response.end(body);
    };
    if (request.method === 'POST') {
      if (path === '/restart') service = new Service({ series, hostile }, clock());
      if (path === '/down') down = true;
      if (path === '/up') down = false;
      if (path.startsWith('/health/')) health = path.slice(8);
      return answer(204, 'text/plain');
    }
    if (path === '/' || path === '/metrics')
      return answer(200, 'text/html; charset=utf-8', readFileSync(PAGE));
    if (down) return answer(500, 'text/plain', 'down');
    if (path.endsWith('/metrics.json')) {
      if (ahead < 0) ahead = Math.min(0, ahead + 1000);
      service.advance(clock());
      return answer(200, 'application/json', service.document());
    }
    if (path.endsWith('/health')) {
      const reasons =
        health === 'live'
          ? []
          : ['no flush for 12 s, the interval is 1s', '<b onclick=alert(1)>hostile</b> reason'];
      return answer(
        health === 'dead' ? 503 : 200,
        'application/json',
        JSON.stringify({ status: health, ready: health !== 'dead', reasons }),
      );
    }
    answer(404, 'text/plain', 'not found');
  });
  return new Promise((resolve) => {
    server.listen(port, '127.0.0.1', () =>
      resolve({
        url: `http://127.0.0.1:${server.address().port}/`,
          stop: () => {
          server.closeAllConnections();
          server.close();
        },
      }),
    );
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const option = (name, otherwise) => {
    const at = process.argv.indexOf('--' + name);
    return at < 0 ? otherwise : Number(process.argv[at + 1]);
  };
  const { url } = await serve({
    port: option('port', 8099),
    series: option('series', 30),
    history: option('history', 0),
    hostile: process.argv.includes('--hostile'),
  });
  console.log(url);
}
