// Buttons that do something, and the one place that shows their results.

import { act } from "./data.js";
import { el } from "./dom.js";

const running = new Set();

/**
 * A button that posts an action and tells its result.
 *
 * done(result): what to tell, as a child or children of an element.
 * confirm: a question that is asked first.
 */
export function actionButton(app, label, { name, fields = {}, done, confirm }) {
  const key = `${name} ${label} ${JSON.stringify(fields)}`;
  const isBusy = running.has(key);
  const press = () => !isBusy && (!confirm || window.confirm(confirm)) && perform();
  const perform = () => runAction(app, key, async () => app.notice(done(await act(name, fields))));
  return el(
    "button",
    { type: "button", "aria-disabled": isBusy ? "true" : null, onclick: press, key },
    label,
  );
}

/**
 * A form that posts an action with its fields; `fields(form)` reads them.
 *
 * resets: whether the fields are emptied after a success, as one with a password.
 */
export function actionForm(app, { name, fields, done, label, resets = false }, ...children) {
  const key = `form ${name} ${label}`;
  const submit = (event) => {
    event.preventDefault();
    if (running.has(key)) return;
    const form = event.currentTarget;
    runAction(app, key, async () => {
      app.notice(done(await act(name, fields(new FormData(form)))));
      if (resets) form.reset();
    });
  };
  return el(
    "form",
    { class: "action", onsubmit: submit, key },
    children,
    el("button", { type: "submit", "aria-disabled": running.has(key) ? "true" : null }, label),
  );
}

async function runAction(app, key, action) {
  running.add(key);
  app.redraw();
  try {
    await action();
  } catch (error) {
    app.failed(error);
  } finally {
    running.delete(key);
    await app.refresh();
  }
}

/** Says what happened, until it is closed, another thing happens, or the page is left. */
export function offerNotice(children, { isError = false } = {}) {
  const notice = document.getElementById("notice");
  notice.classList.toggle("is-error", isError);
  const press = () => {
    closeNotice();
    // The button takes the focus with it; the next Tab would begin at the page's end.
    document.getElementById("view").focus({ preventScroll: true });
  };
  const close = el("button", { type: "button", class: "quiet", onclick: press }, "Close");
  notice.replaceChildren(el("p", {}, children), close);
}

export function closeNotice() {
  document.getElementById("notice").replaceChildren();
}
