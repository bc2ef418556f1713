// A service whose state is in its memory alone: tokens, a counter that another program confirms over one connection
// that it never closes, and what it lost of either.
const http = require('node:http');
const net = require('node:net');

const tokens = new Map();
const seen = { confirmed: 0, beats: 0, connections: 0, errors: 0, backwards: 0, startedAt: Date.now() };

function count() {
  seen.connections += 1;
  const redis = net.connect(6379, process.env.REDIS_HOST ?? '127.0.0.1');
  redis.on('connect', () => redis.write('INCR confirmed\r\n'));
  redis.on('data', (answer) => {
    const confirmed = Number(String(answer).slice(1));
    if (confirmed !== seen.confirmed + 1) seen.backwards += 1;
    seen.confirmed = confirmed;
    setTimeout(() => redis.write('INCR confirmed\r\n'), 2);
  });
  redis.on('error', () => {
    seen.errors += 1;
  });
  redis.on('close', () => setTimeout(count, 50));
}

count();
let last = process.hrtime.bigint();
setInterval(() => {
  const now = process.hrtime.bigint();
  if (now < last) seen.backwards += 1;
  last = now;
  seen.beats += 1;
}, 10);

http
  .createServer((request, response) => {
    const [, verb, token] = request.url.split('/');
    response.setHeader('connection', 'close');
    if (verb === 'issue') {
      tokens.set(token, Date.now());
      response.end('issued');
    } else if (verb === 'check') response.end(String(tokens.has(token)));
    else response.end(JSON.stringify({ ...seen, tokens: tokens.size, pid: process.pid }));
  })
  .listen(7070, process.env.LISTEN ?? '127.0.0.1');
