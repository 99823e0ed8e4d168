// amqplib over TLS: by password, by certificate, and not at all where the authority is another one.
'use strict';

const amqp = require('amqplib');
const fs = require('node:fs');

const { TLS_HOST, TLS_PORT, TLS_CA, TLS_CERT, TLS_KEY, TLS_STRANGER } = process.env;
const LARGE = Buffer.alloc(2 * 1024 * 1024, 'abcdefg');

async function thereAndBack(url, options) {
  const connection = await amqp.connect(url, options);
  const channel = await connection.createConfirmChannel();
  const { queue } = await channel.assertQueue('', { exclusive: true });
  channel.sendToQueue(queue, LARGE);
  await channel.waitForConfirms();
  const message = await channel.get(queue, { noAck: true });
  await connection.close();
  if (!message || !message.content.equals(LARGE)) throw new Error('another body came back');
}

async function main() {
  const ca = [fs.readFileSync(TLS_CA)];
  const url = `amqps://guest:guest@${TLS_HOST}:${TLS_PORT}/%2F`;
  await thereAndBack(url, { ca });
  console.log('password');
  const shown = { ca, cert: fs.readFileSync(TLS_CERT), key: fs.readFileSync(TLS_KEY), credentials: amqp.credentials.external() };
  await thereAndBack(`amqps://${TLS_HOST}:${TLS_PORT}/%2F`, shown);
  console.log('certificate');
  const refused = await thereAndBack(url, { ca: [fs.readFileSync(TLS_STRANGER)] }).then(() => null, (error) => error);
  if (!refused || !/certificate/.test(refused.message)) throw new Error(`trusted: ${refused}`);
  console.log('distrusts');
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
