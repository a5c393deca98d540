// How a mailbox is connected, and connected again: by a sign-in, or by its password.

import { actionForm } from "./actions.js";
import { el } from "./dom.js";
import { field, fine, link } from "./components.js";

/** Where a sign-in begins, as a whole address, so that no view is looked for. */
export const signInUrl = ({ provider, url }) =>
  url ?? `${location.origin}/data/sign-in?provider=${encodeURIComponent(provider)}`;

const signInLink = (signIn, text) => el("a", { class: "button", href: signInUrl(signIn) }, text);

/** A button for each provider with a sign-in; a stage has none. */
export function signInLinks({ overview }) {
  const offered = overview.signIns ?? [];
  const isOnly = offered.length === 1;
  return offered.map((each) =>
    signInLink(each, isOnly ? "Connect a mailbox" : `Connect a mailbox of ${each.title}`));
}

/** A form for each provider whose mailboxes are connected by password; `address` stands in it. */
export function passwordForms({ overview, ...app }, address = "") {
  return (overview.passwordProviders ?? []).map((each) => passwordForm(app, each, address));
}

function passwordForm(app, { provider, title, host, port }, address) {
  const fields = (form) => {
    const typed = Object.fromEntries(form);
    return { ...typed, provider, port: typed.port ? Number(typed.port) : null };
  };
  const secret = { type: "password", autocomplete: "off", required: true };
  const number = { type: "number", min: "1", max: "65535", value: port, placeholder: "993" };
  return actionForm(
    app,
    { name: "connect-by-password", fields, done: tellConnected, label: `Connect over ${title}`, resets: true },
    field("Address", "userName", { value: address, autocomplete: "off", required: true }),
    field("Password", "password", secret),
    field("Server", "host", { value: host, placeholder: "by the address", autocomplete: "off" }),
    field("Port", "port", number),
  );
}

/** Says which mailbox was connected, and where its first sync is. */
export function tellConnected({ accountId, emailAddress }) {
  const account = link(`/accounts/${accountId}`, "See its first sync");
  return ["Connected ", el("strong", {}, emailAddress), ". ", account];
}

/** How a mailbox that lost its access gets it back; null for every other. */
export function connectAgain({ status, provider, emailAddress }, app) {
  if (!["reauth_required", "disconnected"].includes(status)) return null;
  const signIn = app.overview.signIns?.find((each) => each.provider === provider);
  if (signIn) return signInLink(signIn, "Connect again");
  if (app.overview.passwordProviders?.some((each) => each.provider === provider)) {
    const href = `/accounts?connect=${encodeURIComponent(emailAddress)}`;
    return el("a", { class: "button", href }, "Connect again");
  }
  return fine("Its owner connects it again in the application.");
}
