// Opens pages in Chromium and looks: see `scripts/look-at-page`, which installs what this needs.
//
//     node look.mjs MODULES CHROMIUM PAGE FOLDER     # FOLDER gets the pictures
//     node look.mjs MODULES CHROMIUM --self-test

import { createRequire } from "node:module";
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { axe, controls, focused, layout, pictures, shown } from "./checks.mjs";

const [modules, chromium, ...rest] = process.argv.slice(2);
const require = createRequire(join(resolve(modules), "package.json"));
const puppeteer = require("puppeteer-core");
const AXE = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const WIDTHS = [360, 1280];
const VIEWS = WIDTHS.flatMap((width) => ["light", "dark"].map((scheme) => ({ width, scheme, media: "screen" })));
// A sheet of A4 between its margins.
VIEWS.push({ width: 718, scheme: "light", media: "print" });

// A page that may load itself and nothing else; what it tried lands in `wrong`.
async function open(browser, url, view, wrong, script = true) {
  const page = await browser.newPage();
  await page.setViewport({ width: view.width, height: 900 });
  // Either of these takes the other back.
  if (view.media === "print") {
    await page.emulateMediaType(view.media);
  } else {
    await page.emulateMediaFeatures([
      { name: "prefers-color-scheme", value: view.scheme },
      { name: "prefers-reduced-motion", value: "reduce" },
    ]);
  }
  await page.setJavaScriptEnabled(script);
  await page.setRequestInterception(true);
  page.on("request", (request) => {
    if (request.url() === url || request.url().startsWith("data:")) return void request.continue();
    wrong.push(`request: ${request.url()}`);
    request.abort();
  });
  page.on("pageerror", (error) => wrong.push(`script: ${error.message ?? error}`));
  page.on("console", (message) => {
    // What the policy forbids is tried all the same; a request that we refused is told above.
    if (message.type() === "error" && !message.text().includes("ERR_FAILED")) wrong.push(`script: ${message.text()}`);
  });
  await page.goto(url, { waitUntil: "load", timeout: 60000 });
  if (!await page.evaluate(isSeen, view)) throw new Error(`Chromium does not show the page as ${view.media}, ${view.scheme}`);
  return page;
}

const isSeen = (view) => matchMedia(view.media).matches && matchMedia(`(prefers-color-scheme: ${view.scheme})`).matches;

const unfold = () => document.querySelectorAll("details").forEach((details) => { details.open = true; });

async function look(browser, url, folder) {
  const wrong = [];
  for (const view of VIEWS) {
    const name = view.media === "print" ? "print" : `${view.width}-${view.scheme}`;
    const found = [];
    const page = await open(browser, url, view, found);
    if (folder) await picture(page, folder, name);
    for (const folded of [true, false]) {
      if (!folded) await page.evaluate(unfold);
      found.push(...await page.evaluate(layout), ...await page.evaluate(pictures));
    }
    if (view.media === "screen") {
      await page.evaluate(AXE);
      found.push(...await page.evaluate(axe));
    }
    wrong.push(...new Set(found.map((what) => `${what} (${name})`)));
    await page.close();
  }
  wrong.push(...await keyboard(browser, url), ...await withoutScript(browser, url));
  return wrong;
}

// The page as a whole, and each section, as a reader finds them.
async function picture(page, folder, name) {
  await page.screenshot({ path: join(folder, `${name}.png`) });
  for (const section of await page.$$("section[id]")) {
    const id = await section.evaluate((element) => element.id.replace(/[^\w-]/g, "_"));
    await section.screenshot({ path: join(folder, `${name}-${id}.png`) });
  }
  if (name === "print") {
    await page.pdf({ path: join(folder, "print.pdf"), format: "A4", margin: { top: "10mm", bottom: "10mm", left: "10mm", right: "10mm" } });
    // Printing leaves the page as a screen shows it.
    await page.emulateMediaType("print");
  }
}

async function keyboard(browser, url) {
  const wrong = [];
  const page = await open(browser, url, { width: 1280, scheme: "light", media: "screen" }, wrong);
  await page.evaluate(unfold);
  const count = await page.evaluate(controls);
  const reached = new Set();
  // A page of scrolling regions may have more stops than controls.
  for (let press = 0; press < 2 * count + 5 && reached.size < count; press++) {
    await page.keyboard.press("Tab");
    const focus = await page.evaluate(focused);
    if (!focus || reached.has(focus.place)) continue;
    reached.add(focus.place);
    if (!focus.shows) wrong.push(`keyboard: the focus does not show on ${focus.name}`);
  }
  if (reached.size < count) wrong.push(`keyboard: ${count - reached.size} of ${count} controls are not reached by Tab`);
  await page.close();
  return wrong;
}

async function withoutScript(browser, url) {
  const wrong = [];
  const view = { width: 1280, scheme: "light", media: "screen" };
  const seen = [];
  for (const script of [true, false]) {
    const page = await open(browser, url, view, [], script);
    seen.push(await page.evaluate(shown));
    await page.close();
  }
  const [whole, without] = seen;
  const missing = Object.entries(whole).filter(([key, count]) => (without[key] ?? 0) < count);
  for (const [key] of missing.slice(0, 5)) wrong.push(`noscript: not there without script: "${key.slice(0, 60)}"`);
  if (Object.keys(without).length === 0) wrong.push("noscript: nothing is there without script");
  return wrong;
}

const browser = await puppeteer.launch({
  executablePath: chromium,
  userDataDir: mkdtempSync(join(tmpdir(), "look-at-page-")),
  // The sandbox needs rights that a container's root does not have.
  args: process.getuid() === 0 ? ["--no-sandbox"] : [],
});
let bad = 0;
try {
  if (rest[0] === "--self-test") {
    bad = await selfTest(browser);
  } else {
    const [page, folder] = rest;
    mkdirSync(folder, { recursive: true });
    const wrong = await look(browser, pathToFileURL(resolve(page)).href, folder);
    for (const what of wrong) console.log(what);
    console.log(`${page}: ${wrong.length === 0 ? "nothing wrong" : `${wrong.length} things wrong`}; pictures in ${folder}`);
    bad = wrong.length;
  }
} finally {
  const profile = browser.process().spawnargs.find((word) => word.startsWith("--user-data-dir="));
  await browser.close();
  if (profile) rmSync(profile.split("=")[1], { recursive: true, force: true, maxRetries: 5 });
}
process.exitCode = bad === 0 ? 0 : 1;

// Every page in `broken/` is wrong in the one way that its name says, up to a dot or a dash; `sound.html` is not.
async function selfTest(browser) {
  let failed = 0;
  const folder = join(import.meta.dirname, "broken");
  for (const file of readdirSync(folder).sort()) {
    const kind = file.replace(/[-.].*/, "");
    const wrong = await look(browser, pathToFileURL(join(folder, file)).href);
    const kinds = new Set(wrong.map((what) => what.slice(0, what.indexOf(":"))));
    const wanted = new Set(kind === "sound" ? [] : [kind]);
    const ok = kinds.size === wanted.size && [...wanted].every((kind) => kinds.has(kind));
    console.log(`${ok ? "ok    " : "FAILED"} ${file}: found ${[...kinds].join(", ") || "nothing"}`);
    if (!ok) wrong.slice(0, 8).forEach((what) => console.log(`         ${what}`));
    failed += ok ? 0 : 1;
  }
  return failed;
}
