// Every run, newest first; an address for each filter and each page.

import { accountField } from "./account_field.js";
import { get } from "./data.js";
import { el, ticking } from "./dom.js";
import { distance, duration } from "./format.js";
import {
  choice, errorCell, numeric, pages, status, table, time, tr, withQuery,
} from "./components.js";

const FILTERS = ["account", "status", "trigger"];
const STATUSES = ["queued", "running", "completed", "failed", "cancelled"];
const TRIGGERS = ["api", "connect", "schedule", "event", "console", "self-test"];

export default {
  title: () => "Runs",

  async load({ query }, signal) {
    const chosen = Object.fromEntries([...FILTERS, "before"].map((name) => [name, query.get(name)]));
    const [listed, found] = await Promise.all([
      get("runs", chosen, signal),
      chosen.account && get("accounts", { search: chosen.account, limit: 1 }, signal),
    ]);
    return { ...listed, address: found?.accounts[0]?.emailAddress ?? "" };
  },

  render({ runs, next, address }, { query }, app) {
    const isFiltered = FILTERS.some((name) => query.get(name));
    return [
      el("h1", {}, "Runs"),
      filters(address, query, app),
      runsTable(runs, "Runs, newest first", isFiltered ? "No run matches." : undefined),
      pages(query.get("before"), next, (before) => withQuery(query, { before })),
    ];
  },
};

export const isOpen = (run) => ["queued", "running", "waiting"].includes(run.status);

function filters(address, query, app) {
  const filter = (name, value) => app.go(withQuery(query, { [name]: value, before: null }));
  const pick = ({ currentTarget: { name, value } }) => filter(name, value);
  const pickAccount = (account) => filter("account", account?.accountId ?? null);
  const any = (text) => [["", text]];
  const pickOne = (label, name, options) => choice(label, name, options, query.get(name), pick);
  const plain = (values) => values.map((value) => [value, value]);
  return el(
    "form",
    { class: "filters", "aria-label": "Filters", onsubmit: (event) => event.preventDefault() },
    accountField(app, "Account", { name: "account", value: address, pick: pickAccount }),
    pickOne("Status", "status", [...any("any status"), ...plain(STATUSES)]),
    pickOne("Trigger", "trigger", [...any("any trigger"), ...plain(TRIGGERS)]),
  );
}

/** A table of runs; also shown on other pages. */
export function runsTable(runs, caption, empty = "No run yet. Connect a mailbox to see one.") {
  const columns = ["Status", "Run", "Account", "Why", "Started", ["Duration", "number"], "Error"];
  return table(caption, columns, runs.map(row), empty);
}

function row(run) {
  const began = run.startedAt ?? run.createdAt;
  const took = () => (isOpen(run) ? Math.max(Date.now() - new Date(began), 0) : run.durationMs);
  return tr(
    run.id,
    status(run.status),
    el("a", { href: `/runs/${run.id}`, class: "row-link" }, run.workflow),
    run.emailAddress ?? "–",
    [run.trigger, run.syncType].filter(Boolean).join(", ") || "–",
    [time(began), " ", el("span", { class: "fine" }, ticking(() => distance(began)))],
    numeric(ticking(() => duration(took()))),
    errorCell(run),
  );
}
