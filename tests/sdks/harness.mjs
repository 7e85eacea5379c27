// What every script here shares: its orders come as one line of JSON on stdin, its results leave as lines of JSON.

import { createInterface } from "node:readline";

const PATIENCE_MS = 20_000;
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

export async function order() {
  const { value, done } = await lines.next();
  if (done) throw new Error("nobody gives orders any more");
  return JSON.parse(value);
}

export function tell(message) {
  process.stdout.write(JSON.stringify(message) + "\n");
}

// Runs all checks at the same time and tells of each: null, or what went wrong.
export async function runChecks(checks) {
  await Promise.all(
    Object.entries(checks).map(async ([name, check]) => {
      let failure = null;
      try {
        await within(check());
      } catch (error) {
        failure = String(error?.stack ?? error);
      }
      tell({ check: name, failure });
    }),
  );
  tell({ over: true });
  process.exit(0); // clients that a failed check left open must not keep us
}

export function within(promise, limitMs = PATIENCE_MS) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${limitMs} ms`)), limitMs);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

// A list that can be waited for.
export class Inbox {
  items = [];
  #waiting = [];

  put(item) {
    this.items.push(item);
    this.#waiting = this.#waiting.filter((waiter) => !waiter());
  }

  async until(condition) {
    if (condition(this.items)) return this.items;
    await within(
      new Promise((resolve) => this.#waiting.push(() => condition(this.items) && (resolve(), true))),
    ).catch((error) => {
      throw new Error(`${error.message}; there was ${JSON.stringify(this.items)}`);
    });
    return this.items;
  }

  count(number) {
    return this.until((items) => items.length >= number);
  }
}
