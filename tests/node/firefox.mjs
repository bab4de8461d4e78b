// Drives Firefox for tests/forms/browsers.py: a line of JSON in, a line of JSON out.
//
// In: {open: address} or {run: function as text, given: [arguments]}. Out: {value} or {error}.
// The only argument is the path of Firefox. It ends with its input.

import { createInterface } from "node:readline";
import puppeteer from "puppeteer-core";

const browser = await puppeteer.launch({ browser: "firefox", executablePath: process.argv[2], headless: true });
const page = await browser.newPage();
for await (const line of createInterface({ input: process.stdin })) {
  const { open, run, given } = JSON.parse(line);
  let answer;
  try {
    if (open) await page.goto(open);
    answer = { value: run && (await page.evaluate(`(${run})(...${JSON.stringify(given)})`)) };
  } catch (error) {
    answer = { error: String(error) };
  }
  console.log(JSON.stringify(answer));
}
await browser.close();
