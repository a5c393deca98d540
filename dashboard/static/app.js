// The frame around the views: their URLs, what is on the screen, and what changes by itself.
//
// A view is {title(data), load(place), render(data, place, app)}; `attend(was, is)` may name what its
// reader looks at once the query has changed. `place` is {id, query}: the part of the path behind the
// view's name, and its query.

import { closeNotice, offerNotice } from "./actions.js";
import { follow, get } from "./data.js";
import { el, morph, tickAll } from "./dom.js";
import { plural } from "./format.js";
import { toggleSimulator, updateSimulator } from "./simulator.js";
import accounts from "./accounts.js";
import account from "./account.js";
import events from "./events.js";
import functions from "./functions.js";
import mailbox from "./mailbox.js";
import run from "./run.js";
import runs from "./runs.js";
import start from "./start.js";

const TICK_MS = 1000;
const main = document.getElementById("view");
let current = { view: null, place: null, data: null, loading: null, path: null, url: null };

/** What a view may ask of its frame. */
const app = {
  overview: { simulated: false },
  go(url) {
    history.pushState(null, "", url);
    return show();
  },
  refresh: () => load(),
  redraw: draw,
  notice: (children) => offerNotice(children),
  failed: (error) => offerNotice(error.message, { isError: true }),
};

function resolve() {
  const [name, id] = location.pathname.split("/").slice(1).map(decoded);
  const query = new URLSearchParams(location.search);
  const one = id || (name === "accounts" && query.get("accountId"));
  if (name === "runs" && one) return { view: run, place: { id: one, query } };
  if (name === "accounts" && one) return { view: account, place: { id: one, query } };
  const views = { functions, runs, events, accounts, mailbox };
  return { view: views[name] ?? start, place: { id: null, query } };
}

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // Typed by hand; the view says that there is no such thing.
  }
}

/** Shows the page of the address; `isBack`: the reader has been there, by back or forward. */
async function show({ isBack = false } = {}) {
  const left = current.url;
  const arrived = location.pathname !== current.path;
  const { view, place } = resolve();
  const was = current.place;
  const moved = view !== current.view || place.id !== was.id;
  current = { view, place, data: moved ? null : current.data, path: location.pathname };
  current.url = location.pathname + location.search;
  markNavigation();
  main.classList.toggle("is-leaving", moved);
  if (moved) closeNotice();
  await load();
  if (arrived && moved) arrive(isBack && left);
  else if (!moved) attend(view, was.query, place.query);
}

/** Another message, folder or page of a list begins in view, and screen readers go there. */
function attend(view, was, is) {
  const isOtherPage = ["before", "after"].some((name) => was.get(name) !== is.get(name));
  const next = view.attend ? view.attend(was, is) : isOtherPage && main;
  if (!next) return;
  next.focus({ preventScroll: true });
  next.scrollIntoView({ block: next.tabIndex < 0 ? "start" : "nearest" });
}

let day = new Date().toDateString();

/** Brings the clocks up to date; at midnight each time of the day before needs its date. */
function tick() {
  const today = new Date().toDateString();
  if (today === day) return tickAll(main);
  day = today;
  draw();
}

let isFirst = true;

/** A new page begins at its top and is announced by screen readers. A reader who comes back stands
 * at the link to the page `left`. */
function arrive(left) {
  if (isFirst) {
    isFirst = false;
    return;
  }
  const link = [...main.querySelectorAll("a[href]")].find(
    (each) => each.getAttribute("href") === left,
  );
  if (link) {
    link.focus({ preventScroll: true });
    link.scrollIntoView({ block: "center" });
    return;
  }
  window.scrollTo(0, 0);
  main.focus({ preventScroll: true });
}

async function load() {
  const requested = current;
  requested.loading?.abort();
  const loading = new AbortController();
  requested.loading = loading;
  main.setAttribute("aria-busy", "true");
  const found = await requested.view.load(requested.place, loading.signal).then(
    (data) => ({ data, error: null }),
    (error) => ({ error }),
  );
  // What was overtaken by a newer request may be half an answer.
  if (requested !== current || loading.signal.aborted) return;
  Object.assign(requested, found);
  main.removeAttribute("aria-busy");
  main.classList.remove("is-leaving");
  draw();
}

function draw() {
  const { view, place, data, error } = current;
  const key = `${location.pathname.split("/")[1]} ${place.id}`;
  if (!data && !error) return;
  const content = data ? view.render(data, place, app) : null;
  const page = el(
    "div",
    { key, class: "view" },
    error && el("p", { class: "error", role: "alert", key: "error" }, error.message),
    content,
  );
  const isFocused = main.contains(document.activeElement);
  if (main.firstChild) morph(main.firstChild, page);
  else main.append(page);
  // What is gone takes the focus with it; the next Tab would begin at the page's end.
  if (isFocused && !main.contains(document.activeElement)) main.focus({ preventScroll: true });
  document.title = `${data ? view.title(data, place) : "Not loaded"} · Mailsync`;
}

function markNavigation() {
  const name = location.pathname.split("/")[1];
  for (const link of document.querySelectorAll("#nav a, .brand")) {
    const isHere = link.getAttribute("href") === `/${name}`;
    link.toggleAttribute("aria-current", false);
    if (isHere) link.setAttribute("aria-current", "page");
  }
}

async function loadOverview() {
  app.overview = await get("overview");
  const { stage, simulated, runsOpen } = app.overview;
  document.getElementById("stage").textContent = [
    simulated ? `${stage}, simulated mail` : stage,
    plural(runsOpen, "open run"),
  ].join(" · ");
  document.getElementById("simulator-toggle").hidden = !simulated;
}

async function changed() {
  await Promise.all([loadOverview().catch(() => {}), load(), updateSimulator(app)]);
}

function connection(isUp) {
  document.getElementById("connection").textContent = isUp
    ? ""
    : "Connection lost. What you see may be old; trying again.";
}

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href^='/']");
  const isPlain = !event.ctrlKey && !event.metaKey && !event.shiftKey && event.button === 0;
  if (!link || !isPlain || link.hasAttribute("target")) return;
  event.preventDefault();
  app.go(link.getAttribute("href"));
});
window.addEventListener("popstate", () => show({ isBack: true }));
document
  .getElementById("simulator-toggle")
  .addEventListener("click", () => toggleSimulator(app));
setInterval(() => document.hidden || tick(), TICK_MS);

await Promise.all([loadOverview().catch(() => {}), show()]);
draw();
follow(changed, connection, () => current.error);
