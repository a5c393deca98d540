// Times, durations and numbers as people read them.

const pad = (number) => String(number).padStart(2, "0");
const days = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const years = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const numbers = new Intl.NumberFormat();

/** 12,345; a dash for what is not known. */
export const number = (value) => (value ?? null) === null ? "–" : numbers.format(value);

/** 1 page, 2 pages */
export const plural = (count, word, words = `${word}s`) =>
  `${number(count)} ${count === 1 ? word : words}`;

/** Local clock time to the second; with the date when it is not today's. */
export function clock(iso) {
  const at = new Date(iso);
  const time = `${pad(at.getHours())}:${pad(at.getMinutes())}:${pad(at.getSeconds())}`;
  return at.toDateString() === new Date().toDateString() ? time : `${day(at)}, ${time}`;
}

/** As mail programs write it: the time today, the day this year, else the full date. */
export function mailTime(iso) {
  const at = new Date(iso);
  if (at.toDateString() !== new Date().toDateString()) return day(at);
  return `${pad(at.getHours())}:${pad(at.getMinutes())}`;
}

function day(at) {
  return (at.getFullYear() === new Date().getFullYear() ? days : years).format(at);
}

/** 84 ms, 1.2 s, 3 min 20 s, 2 h 5 min */
export function duration(milliseconds) {
  if (milliseconds === null || milliseconds === undefined) return "–";
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`;
  const seconds = milliseconds / 1000;
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const minutes = Math.floor(Math.round(seconds) / 60);
  if (minutes < 60) return `${minutes} min ${Math.round(seconds) % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** How far a time is from now: "in 12 s", "3 min ago". */
export function distance(iso, now = Date.now()) {
  const seconds = Math.round((new Date(iso) - now) / 1000);
  if (seconds === 0) return "now";
  return seconds > 0 ? `in ${span(seconds)}` : `${span(-seconds)} ago`;
}

function span(seconds) {
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h`;
  return plural(Math.floor(seconds / 86400), "day");
}

/** Pretty JSON of anything; a string that holds JSON is opened. */
export function pretty(value) {
  if (typeof value !== "string") return JSON.stringify(value, null, 2);
  try {
    return JSON.stringify(JSON.parse(value), null, 2);
  } catch {
    return value;
  }
}
