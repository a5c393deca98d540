// Small pieces that several views show alike.

import { el } from "./dom.js";
import { clock, number } from "./format.js";

const TONES = {
  queued: "wait",
  pending: "wait",
  waiting: "wait",
  paused: "wait",
  running: "live",
  syncing: "live",
  completed: "good",
  succeeded: "good",
  active: "good",
  failed: "bad",
  timed_out: "bad",
  reauth_required: "bad",
  caught: "warn",
  cancelled: "warn",
  aborted: "warn",
};

/** A state in words, with a mark whose shape and colour repeat them. */
export function status(name) {
  const plain = String(name).toLowerCase();
  const tone = TONES[plain] ?? "none";
  return el("span", { class: `status is-${tone}` }, plain.replaceAll("_", " "));
}

export function time(iso, missing = "–") {
  return iso ? el("time", { datetime: iso, title: iso }, clock(iso)) : missing;
}

/** A table; `columns` are [heading, class] or headings, `rows` are arrays of <tr>. */
export function table(caption, columns, rows, empty = "Nothing yet.") {
  const named = columns.map((column) => (Array.isArray(column) ? column : [column, null]));
  const headings = named.map(([name, kind]) => el("th", { scope: "col", class: kind }, name));
  rows.forEach((row) => label(row, named));
  const none = el("tr", {}, el("td", { colspan: columns.length, class: "empty" }, empty));
  return el(
    "div",
    { class: "scroll", role: "region", "aria-label": caption, tabindex: "0", key: caption },
    el(
      "table",
      {},
      el("caption", {}, caption),
      el("thead", {}, el("tr", {}, headings)),
      el("tbody", {}, rows.length ? rows : none),
    ),
  );
}

/** Name and value pairs; pairs whose value is null are left out. */
export function facts(...pairs) {
  const shown = pairs.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return el(
    "dl",
    { class: "facts" },
    shown.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))),
  );
}

/** On a phone each row stands by itself, and each cell below its heading. */
function label(row, columns) {
  [...row.children].forEach((cell, at) => {
    if (cell.tagName === "TD" && cell.colSpan === 1) cell.dataset.label = columns[at][0];
  });
}

/** How much of a whole is there; "1,200 of 3,000" beside it. */
export function progress(done, total, label) {
  return el(
    "span",
    { class: "progress" },
    el("progress", { max: Math.max(total, 1), value: Math.min(done, total), "aria-label": label }),
    el("span", {}, `${number(done)} of ${number(total)}`),
  );
}

/** A labelled choice; `options` are [value, text]. */
export function choice(label, name, options, chosen, onchange = null) {
  return el(
    "label",
    {},
    el("span", {}, label),
    el(
      "select",
      { name, onchange },
      options.map(([value, text]) =>
        el("option", { value, selected: value === (chosen ?? "") }, text),
      ),
    ),
  );
}

export function field(label, name, attributes = {}) {
  return el("label", {}, el("span", {}, label), el("input", { name, ...attributes }));
}

/** Links to the first and the next page of a long list; `at` builds a page's URL. */
export function pages(before, next, at) {
  return el(
    "nav",
    { class: "pages", "aria-label": "Pages" },
    before && el("a", { href: at(null) }, "Newest"),
    next && el("a", { href: at(next) }, "Older"),
  );
}

/** The same place with some of its query changed; null removes a parameter. */
export function withQuery(query, changes) {
  const changed = new URLSearchParams(query);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === "") changed.delete(name);
    else changed.set(name, value);
  }
  const text = changed.toString();
  return location.pathname + (text ? `?${text}` : "");
}
