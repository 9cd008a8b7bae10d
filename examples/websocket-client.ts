/**
 * A client of a running guard, in thirty lines: prints every alert, and the predictions of every tick.
 * Start a guard with `npm start`, then run `npx tsx examples/websocket-client.ts [ws://127.0.0.1:7337]`.
 */
import WebSocket from 'ws';

const socket = new WebSocket(`${process.argv[2] ?? 'ws://127.0.0.1:7337'}/v1/stream`);

socket.on('message', (message) => {
  const event = JSON.parse(message.toString());
  switch (event.event) {
    case 'hello':
      console.log(
        `${event.run} on ${event.backend}: ${event.references.map((r: { name: string }) => r.name).join(', ')}`,
      );
      break;
    case 'tick':
      for (const { reference, scores } of event.pairs) {
        const text = scores.map(
          (score: { method: string; value: number | null }) =>
            `${score.method} ${score.value === null ? '-' : (100 * score.value).toFixed(1)}`,
        );
        console.log(`step ${event.step} ${reference}: ${text.join(', ')}`);
      }
      break;
    case 'alert':
      console.log(`${event.state} ${event.level}: ${event.title}. ${event.text}`);
      break;
    case 'end':
      console.log(`the run ended: ${event.status}`);
      socket.close();
      break;
  }
});
socket.on('error', (error) =>
  console.error(`no guard there (${error.message}); start one with \`npm start\``),
);
