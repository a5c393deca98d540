// A field that finds one account among thousands by its address.

import { get } from "./data.js";
import { el } from "./dom.js";
import { field } from "./components.js";

const SUGGESTIONS = 20;
const suggested = new Map();

/**
 * A text field that suggests addresses while a person types.
 *
 * pick(account): called with the account whose whole address was entered, with null for an empty
 *     field. Without `pick` the field is a plain field of a form.
 */
export function accountField(app, label, { name, value, pick = null }) {
  const list = `${name}-suggestions`;
  const suggest = async (event) => {
    suggested.set(name, await find({ search: event.currentTarget.value }));
    app.redraw();
  };
  const choose = async (event) => {
    const typed = event.currentTarget.value.trim();
    const [found] = typed ? await find({ address: typed }) : [];
    if (typed && !found) app.failed(new Error(`No account has the address ${typed}.`));
    else pick(found || null);
  };
  const options = (suggested.get(name) ?? []).map(({ emailAddress }) =>
    el("option", { value: emailAddress }),
  );
  const input = { type: "search", value, list, autocomplete: "off", oninput: suggest };
  return [
    field(label, name, { ...input, onchange: pick && choose, placeholder: "an address" }),
    el("datalist", { id: list, key: list }, options),
  ];
}

async function find(wanted) {
  try {
    return (await get("accounts", { ...wanted, limit: SUGGESTIONS })).accounts;
  } catch {
    return []; // The connection's loss is shown elsewhere.
  }
}
