// The steps of a run along time, with every attempt and the waits between them.

import { el, setStyle, ticking } from "./dom.js";
import { clock, distance, duration, pretty } from "./format.js";
import { cut, facts, numeric, status, table, time, tr, withQuery } from "./components.js";

// States that decide or pass on and take no time; shown on demand.
const QUIET = ["Choice", "Pass", "Succeed", "Fail"];
const COLUMNS = ["Step", "Status", ["Began", "number"], ["Took", "number"], ["Time", "timeline"]];

/** A table of the steps; `?step=` opens one, `?all=1` shows every state. */
export function waterfall(run, query) {
  const isAll = query.get("all") === "1";
  const shown = run.steps.filter((step) => isAll || !QUIET.includes(step.type) || step.error);
  const scale = scaleOf(run);
  const opened = shown.find((step) => query.get("step") === String(step.id));
  const [newest, rest] = cut(shown, "steps", "step", query, "last");
  const visible = !opened || newest.includes(opened) ? newest : [opened, ...newest];
  const rows = visible.flatMap((step) => [
    row(step, scale, step === opened, query), step === opened && detail(step),
  ]);
  const other = isAll ? "Only steps that work" : "All states";
  return el(
    "section",
    { class: "waterfall", key: "waterfall" },
    table("Steps in the order in which they began", COLUMNS, rows.filter(Boolean), "No step yet."),
    rest,
    el("p", {}, el("a", { href: withQuery(query, { all: isAll ? null : "1" }) }, other)),
  );
}

/** Where moments stand between the run's beginning and its end, or now while it is open. */
function scaleOf(run) {
  const times = run.steps.flatMap((step) => [step.startedAt, step.finishedAt]).filter(Boolean);
  const moments = times.map((at) => new Date(at).getTime());
  const start = moments.reduce((one, other) => Math.min(one, other), Infinity);
  const last = moments.reduce((one, other) => Math.max(one, other), start);
  const isOpen = !run.finishedAt && !run.historyLost;
  const end = () => (isOpen ? Date.now() : last);
  const place = (from, to) => {
    const length = Math.max(end() - start, 1);
    const left = ((from - start) / length) * 100;
    const width = (((to ?? end()) - from) / length) * 100;
    return { left: `${left.toFixed(2)}%`, width: `${Math.max(width, 0).toFixed(2)}%` };
  };
  return { start, end, isOpen, place };
}

function row(step, scale, isOpened, query) {
  const began = new Date(step.startedAt).getTime();
  const ended = step.finishedAt ? new Date(step.finishedAt).getTime() : null;
  const took = () => step.durationMs ?? Math.max(scale.end() - began, 0);
  const retried = step.attempts.length > 1 ? ` (${step.attempts.length} attempts)` : "";
  const opener = {
    href: withQuery(query, { step: isOpened ? null : step.id }),
    role: "button",
    "aria-expanded": String(isOpened),
    onkeydown: pressOnSpace,
  };
  const inside = { scope: "row", class: step.containingMapName ? "is-inside" : null };
  return el(
    "tr",
    { key: step.id, class: isOpened ? "is-opened" : null },
    el("th", inside, el("a", opener, step.label)),
    el("td", {}, status(step.status), el("span", { class: "fine" }, retried)),
    numeric(`+${duration(began - scale.start)}`),
    numeric(ticking(() => duration(took()))),
    el("td", { class: "timeline", "aria-hidden": "true" }, bars(step, began, ended, scale)),
  );
}

function pressOnSpace(event) {
  if (event.key !== " ") return;
  event.preventDefault();
  event.currentTarget.click();
}

function bars(step, began, ended, scale) {
  const bar = (kind, from, to) => {
    const place = (node) => setStyle(node, scale.place(from, to));
    const style = scale.place(from, to);
    return el("i", { class: `stretch is-${kind}`, style, tick: scale.isOpen ? place : null });
  };
  const at = (iso, missing) => (iso ? new Date(iso).getTime() : missing);
  if (step.attempts.length < 2) return el("span", {}, bar(step.status, began, ended));
  const tries = step.attempts.map(({ error, startedAt, finishedAt }) =>
    bar(error ? "failed" : step.status, at(startedAt, began), at(finishedAt, ended)),
  );
  return el("span", {}, bar("wait", began, ended), tries);
}

function detail(step) {
  const isPlain = step.attempts.length < 2 && !step.attempts[0]?.error;
  return el(
    "tr",
    { key: `${step.id} detail`, class: "detail" },
    el(
      "td",
      { colspan: COLUMNS.length },
      facts(
        ["State", step.name],
        ["Type", step.type],
        ["Began", step.startedAt && clock(step.startedAt)],
        ["Finished", step.finishedAt && clock(step.finishedAt)],
        ["Took", duration(step.durationMs)],
        ["Attempts", isPlain ? step.attempts.length || null : null],
        ["Error", step.error],
      ),
      step.cause && [el("h3", {}, "Cause"), json(step.cause)],
      !isPlain && attempts(step.attempts),
      el(
        "div",
        { class: "payloads" },
        el("div", {}, el("h3", {}, "Input"), json(step.input)),
        el("div", {}, el("h3", {}, "Output"), json(step.output)),
      ),
    ),
  );
}

function json(value) {
  const isMissing = value === null || value === undefined;
  return isMissing
    ? el("p", { class: "fine" }, "None.")
    : el("pre", { tabindex: "0" }, pretty(value));
}

function attempts(list) {
  const columns = [["Attempt", "number"], "Began", ["Took", "number"], "Error", "Then"];
  return [el("h3", {}, "Attempts"), table("Attempts", columns, list.map(attempt))];
}

function attempt({ number, startedAt, finishedAt, error, cause, nextAttemptAt }) {
  const took = finishedAt && startedAt ? new Date(finishedAt) - new Date(startedAt) : null;
  const wait = nextAttemptAt && finishedAt ? new Date(nextAttemptAt) - new Date(finishedAt) : null;
  const then = () =>
    nextAttemptAt && new Date(nextAttemptAt) > new Date()
      ? ["tried again ", distance(nextAttemptAt)]
      : wait !== null && `tried again after ${duration(wait)}`;
  const failure = error ? [el("strong", {}, error), " ", cause ?? ""] : "none";
  return tr(number, numeric(number), time(startedAt), numeric(duration(took)), failure, ticking(then));
}
