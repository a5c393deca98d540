// Components that several views share.

import { el } from "./dom.js";
import { clock, number, plural } from "./format.js";

const TONES = {
  wait: ["queued", "pending", "waiting", "paused", "delivering"],
  live: ["running", "syncing"],
  good: ["completed", "succeeded", "active", "published", "started"],
  bad: ["failed", "timed_out", "reauth_required", "refused", "lost"],
  warn: ["caught", "cancelled", "aborted", "ignored"],
};

/** A state in words, with a mark whose shape and colour repeat them. */
export function status(name) {
  const plain = String(name).toLowerCase();
  const tone = Object.keys(TONES).find((each) => TONES[each].includes(plain)) ?? "none";
  return mark(tone, plain.replaceAll("_", " "));
}

export const mark = (tone, text) => el("span", { class: `status is-${tone}` }, text);

export function time(iso, missing = "–") {
  return iso ? el("time", { datetime: iso, title: iso }, clock(iso)) : missing;
}

export const fine = (...children) => el("p", { class: "fine" }, children);

export const link = (href, ...children) => el("a", { href }, children);

export const code = (text) => el("code", {}, text);

export const buttons = (...children) => el("div", { class: "buttons" }, children);

/** An error's name, and what it says. */
export const reason = (name, message) => [el("strong", {}, name), message ? `: ${message}` : ""];

/** A row; what is no cell yet becomes one. */
export function tr(key, ...cells) {
  const isCell = (child) => child instanceof HTMLTableCellElement;
  return el("tr", { key }, cells.map((child) => (isCell(child) ? child : el("td", {}, child))));
}

export const heading = (...children) => el("th", { scope: "row" }, children);

export const numeric = (text) => el("td", { class: "number" }, text);

export const wide = (...children) => el("td", { class: "wide" }, children);

/** Why a run or a folder of it did not complete; that a person stopped it is no error. */
export function errorCell({ status: ended, error, errorMessage }) {
  const kind = ended === "cancelled" ? null : "error-cell";
  return el("td", { class: kind, title: errorMessage }, error ?? "");
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

/** On a phone each row stands by itself, and each cell below its heading. */
function label(row, columns) {
  [...row.children].forEach((cell, at) => {
    if (cell.tagName === "TD" && cell.colSpan === 1) cell.dataset.label = columns[at][0];
  });
}

/** Name and value pairs; pairs whose value is null are left out. */
export function facts(...pairs) {
  const shown = pairs.filter(([, value]) => (value ?? "") !== "");
  const pair = ([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value));
  return el("dl", { class: "facts" }, shown.map(pair));
}

/** How much of a whole is there; "1,200 of 3,000" beside it. */
export function progress(done, total, label) {
  const bar = { max: Math.max(total, 1), value: Math.min(done, total), "aria-label": label };
  const words = el("span", {}, `${number(done)} of ${number(total)}`);
  return el("span", { class: "progress" }, el("progress", bar), words);
}

/** A labelled choice; `options` are [value, text]. */
export function choice(label, name, options, chosen, onchange = null) {
  const option = ([value, text]) =>
    el("option", { value, selected: value === (chosen ?? "") }, text);
  const select = el("select", { name, onchange }, options.map(option));
  return el("label", {}, el("span", {}, label), select);
}

export function field(label, name, attributes = {}) {
  return el("label", {}, el("span", {}, label), el("input", { name, ...attributes }));
}

/** Links to the first and the next page of a long list; `at` builds a page's URL. */
export function pages(here, next, at, [first, further] = ["Newest", "Older"]) {
  const links = [here && link(at(null), first), next && link(at(next), further)];
  return el("nav", { class: "pages", "aria-label": "Pages" }, links);
}

const CUT = 200;

/**
 * The `first` or `last` part of a long list, and how to see more of it.
 *
 * name: the parameter of the query that holds how much is shown.
 * Returns [the items to show, a paragraph or null].
 */
export function cut(list, name, noun, query, part = "first") {
  const shown = Number(query.get(name)) || CUT;
  if (list.length <= shown) return [list, null];
  const more = link(withQuery(query, { [name]: shown + CUT }), "Show more");
  const words = `The ${part} ${number(shown)} of ${plural(list.length, noun)}. `;
  return [part === "first" ? list.slice(0, shown) : list.slice(-shown), fine(words, more)];
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
