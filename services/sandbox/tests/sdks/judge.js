// Lets MercadoPago's own SDK for Node judge the sandbox: `node judge.js FACTS`, FACTS being the line that the example `sandbox`
// prints. The SDK is used unchanged, only pointed at the sandbox. Exits with 1 if anything is not as it should be.
'use strict';

const assert = require('node:assert');
const http = require('node:http');
const { createRequire } = require('node:module');
const path = require('node:path');

const LIMIT_MS = 30_000;
// Where the SDK is installed: the folder that this runs in.
const sdk = createRequire(path.join(process.cwd(), 'package.json'));
const { CardToken, MercadoPagoConfig, Payment, PaymentRefund, Preference, WebhookSignatureValidator } = sdk('mercadopago');
const { AppConfig } = sdk('mercadopago/dist/utils/config');

/** Listens for notifications: its address, and the first one that comes. */
async function ear() {
  let heard;
  const first = new Promise((resolve) => (heard = resolve));
  const server = http.createServer((request, response) => {
    request.resume();
    request.on('end', () => {
      heard({ url: new URL(request.url, 'http://ear'), headers: request.headers });
      response.end();
    });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${server.address().port}/hook`, first, close: () => server.close() };
}

async function judge(facts) {
  AppConfig.BASE_URL = facts.url;
  const accessToken = 'TEST-vitrina';
  const config = new MercadoPagoConfig({ accessToken });
  // A client keeps the key that one call is given for all later ones, so this one has it all along.
  const once = new Payment(new MercadoPagoConfig({ accessToken, options: { idempotencyKey: `once-${Date.now()}` } }));
  const [payments, refunds, preferences] = [new Payment(config), new PaymentRefund(config), new Preference(config)];
  const listener = await ear();

  const card = { card_number: '5031755734530604', cardholder: { name: 'APRO' } };
  const token = (await new CardToken(config).create({ body: card })).id;
  const payer = { email: 'ana@example.com' };
  const reference = `ord-${Date.now()}`;
  const asked = { transaction_amount: 100.5, token, installments: 1, payer, external_reference: reference };
  const body = { ...asked, notification_url: listener.url };
  const made = await once.create({ body });
  assert.strictEqual(made.status, 'approved');
  assert.strictEqual((await once.create({ body })).id, made.id);
  assert.strictEqual((await payments.get({ id: made.id })).transaction_amount, 100.5);
  const found = await payments.search({ options: { external_reference: reference } });
  assert.strictEqual(found.paging.total, 1);
  assert.strictEqual((await refunds.create({ payment_id: made.id, body: { amount: 10 } })).amount, 10);
  assert.strictEqual((await refunds.list({ payment_id: made.id })).length, 1);
  await refunds.total({ payment_id: made.id });
  assert.strictEqual((await payments.get({ id: made.id })).status, 'refunded');
  const hold = { transaction_amount: 5, token: 'APRO', capture: false, payer };
  const [held, dropped] = [await payments.create({ body: hold }), await payments.create({ body: hold })];
  assert.strictEqual((await payments.capture({ id: held.id })).status, 'approved');
  assert.strictEqual((await payments.cancel({ id: dropped.id })).status, 'cancelled');
  const item = { id: 'm', title: 'Mate', quantity: 1, unit_price: 5.5 };
  const preference = await preferences.create({ body: { items: [item] } });
  await preferences.update({ id: preference.id, updatePreferenceRequest: { external_reference: 'ord_2' } });
  assert.strictEqual((await preferences.get({ preferenceId: preference.id })).external_reference, 'ord_2');
  await assert.rejects(payments.create({ body: { transaction_amount: 0 } }), (error) => error.status === 400);

  const { url, headers } = await listener.first;
  const options = { xRequestId: headers['x-request-id'], dataId: url.searchParams.get('data.id'), toleranceSeconds: 300 };
  const signed = { ...options, xSignature: headers['x-signature'] };
  WebhookSignatureValidator.validate({ ...signed, secret: 'vitrina-webhook-secret' });
  assert.throws(() => WebhookSignatureValidator.validate({ ...signed, secret: 'another' }));
  listener.close();
}

const limit = setTimeout(() => {
  console.error('it takes too long');
  process.exit(1);
}, LIMIT_MS);
judge(JSON.parse(process.argv[2])).then(
  () => {
    clearTimeout(limit);
    console.log('mercadopago for Node: fine');
    process.exit(0);
  },
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
