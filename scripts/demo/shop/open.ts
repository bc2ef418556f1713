import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { connectCarts, connectOrders, type ShopStores } from './stores.ts';

/** How many tills sell at once. */
export const TILLS = 4;

const PRODUCTS = 500;
const CUSTOMERS = 60_000;
/** What every product starts with; the books add up against it. */
export const FIRST_STOCK = 1_000_000;
const SESSIONS = 20_000;
/** Sessions are written this many at a time. */
const BATCH = 2_000;

const SCHEMA = `
  CREATE TYPE delivery AS ENUM ('collect', 'courier', 'post');
  CREATE TABLE products (
    id int PRIMARY KEY,
    name text NOT NULL UNIQUE,
    price_cents int NOT NULL CHECK (price_cents > 0),
    stock int NOT NULL CHECK (stock >= 0)
  );
  CREATE TABLE customers (
    id int PRIMARY KEY,
    name text NOT NULL,
    address jsonb NOT NULL,
    since date NOT NULL
  );
  CREATE INDEX customers_by_town ON customers ((address ->> 'town'));
  CREATE TABLE orders (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    till int NOT NULL,
    number int NOT NULL,
    customer int NOT NULL REFERENCES customers,
    delivery delivery NOT NULL,
    total_cents int NOT NULL,
    placed_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (till, number)
  );
  CREATE TABLE order_lines (
    order_id bigint NOT NULL REFERENCES orders,
    product int NOT NULL REFERENCES products,
    quantity int NOT NULL CHECK (quantity > 0),
    PRIMARY KEY (order_id, product)
  );
  CREATE VIEW revenue_by_till AS
    SELECT till, count(*) AS orders, sum(total_cents) AS total_cents FROM orders GROUP BY till;
`;

/** Opens a shop with customers, goods and visitors, and nothing sold yet. */
export async function openShop(stores: ShopStores): Promise<void> {
  await Promise.all([fillOrders(stores), fillCarts(stores), makeReceipts(stores)]);
}

async function fillOrders(stores: ShopStores): Promise<void> {
  await using client = await connectOrders(stores);
  await client.query(SCHEMA);
  await client.query(
    `INSERT INTO products SELECT n, 'Product ' || n, 99 + (n * 7919) % 20000, $2 FROM generate_series(1, $1) n`,
    [PRODUCTS, FIRST_STOCK],
  );
  await client.query(
    `INSERT INTO customers
       SELECT n, 'Customer ' || n,
         jsonb_build_object('street', md5(n::text), 'town', 'Town ' || n % 300, 'note', repeat(md5('note' || n), 3)),
         date '2020-01-01' + n % 2000
       FROM generate_series(1, $1) n`,
    [CUSTOMERS],
  );
}

async function fillCarts(stores: ShopStores): Promise<void> {
  await using carts = await connectCarts(stores);
  for (let first = 0; first < SESSIONS; first += BATCH) {
    const batch = carts.multi();
    for (let n = first; n < first + BATCH; n += 1) {
      batch.hSet(`session:${n}`, {
        customer: String(1 + (n % CUSTOMERS)),
        language: n % 3 === 0 ? 'de' : 'en',
      });
      batch.expire(`session:${n}`, 3_600 + n);
    }
    await batch.exec();
  }
  await carts.sAdd('languages', ['de', 'en']);
  await carts.rPush('banner', ['Everything must stay', 'Nothing is lost']);
  await carts.pfAdd(
    'visitors',
    Array.from({ length: 1_000 }, (_, n) => `visitor-${n}`),
  );
}

async function makeReceipts(stores: ShopStores): Promise<void> {
  for (let till = 1; till <= TILLS; till += 1)
    await mkdir(join(stores.receiptsPath, `till-${till}`), { recursive: true });
}

/** A customer and a product of the shop, chosen by two numbers in [0, 1). */
export function choose(
  customer: number,
  product: number,
): { readonly customer: number; readonly product: number } {
  return { customer: 1 + Math.floor(customer * CUSTOMERS), product: 1 + Math.floor(product * PRODUCTS) };
}
