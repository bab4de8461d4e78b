// Herald: sends <form data-herald> without leaving the page. No dependency, no cookie, nothing stored.
// Attributes, events and texts: docs/site.md. Apache License 2.0.
// Asynchronous: what throws for one form leaves the others alone.
Document.prototype.querySelectorAll.call(document, "form[data-herald]").forEach(async (element, number) => {
  // Safari before 15.4 doesn't say which button was pressed.
  if (!("submitter" in (window.SubmitEvent || Event).prototype)) return;

  // A control named "remove" hides its form's method: ask the prototypes.
  const unhidden = (node, { prototype }) => new Proxy({}, {
    get(_, name) {
      const value = Reflect.get(prototype, name, node);
      return typeof value === "function" ? value.bind(node) : value;
    },
  });
  const form = unhidden(element, HTMLFormElement);
  const page = unhidden(document, Document);

  const LIMIT = 20000; // ms for an answer or solution
  const TEXTS = {
    en: {
      sending: "Sending …",
      success: "Thank you: your message is on its way.",
      faulty: "Some fields need another look.",
      required: "This field is required.",
      email: "This is not an email address such as name@example.com.",
      offline: "The connection failed. Nothing is lost: please send it again.",
      failed: "Something went wrong. Nothing is lost: please send it again.",
      busy: "This is not possible right now. Nothing is lost: please send it again in {n}.",
    },
    de: {
      sending: "Wird gesendet …",
      success: "Danke: Ihre Nachricht ist unterwegs.",
      faulty: "Einige Felder brauchen noch einen Blick.",
      required: "Dieses Feld wird benötigt.",
      email: "Das ist keine E-Mail-Adresse wie name@example.com.",
      offline: "Keine Verbindung. Nichts ist verloren: bitte noch einmal senden.",
      failed: "Etwas ist schiefgegangen. Nichts ist verloren: bitte noch einmal senden.",
      busy: "Das geht gerade nicht. Nichts ist verloren: bitte in {n} noch einmal senden.",
    },
    es: {
      sending: "Enviando…",
      success: "Gracias: su mensaje está en camino.",
      faulty: "Hay campos que conviene revisar.",
      required: "Este campo es obligatorio.",
      email: "No es una dirección de correo como nombre@example.com.",
      offline: "Ha fallado la conexión. No se ha perdido nada: vuelva a enviarlo, por favor.",
      failed: "Algo ha fallado. No se ha perdido nada: vuelva a enviarlo, por favor.",
      busy: "Ahora no es posible. No se ha perdido nada: vuelva a enviarlo dentro de {n}, por favor.",
    },
    fr: {
      sending: "Envoi en cours…",
      success: "Merci : votre message est en route.",
      faulty: "Certains champs sont à revoir.",
      required: "Ce champ est obligatoire.",
      email: "Ce n’est pas une adresse e-mail comme nom@example.com.",
      offline: "La connexion a échoué. Rien n’est perdu : merci d’envoyer à nouveau.",
      failed: "Un problème est survenu. Rien n’est perdu : merci d’envoyer à nouveau.",
      busy: "Ce n’est pas possible pour le moment. Rien n’est perdu : merci de renvoyer dans {n}.",
    },
  };
  const language = Object.keys(TEXTS).find((each) => form.matches(`:lang(${each})`)) || "en";
  // The server may speak more.
  const [wanted] = form.closest("[lang]")?.lang.match(/^[a-z]{2,3}\b/i) || [language];
  const say = (key) => form.dataset[key] || TEXTS[language][key];
  const checks = !form.noValidate;
  const errors = new Map(); // by the first field of a group
  let attempts = {}; // by content: key, seconds, solution
  let count = 0, started, sending, typed, ready; // ready: a solution that was not sent yet

  const set = (element, name, value) => value ? element.setAttribute(name, value) : element.removeAttribute(name);
  const choice = (field) => /radio|checkbox/.test(field.type);
  const hints = (field) => field.getAttribute("aria-describedby") || "";
  const hex = (bytes) => Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, "0")).join("");
  const bytes = (text) => Uint8Array.from(text.match(/../g), (pair) => parseInt(pair, 16));

  const status = page.createElement("p");
  status.className = "herald-status";
  set(status, "role", "status");

  function tell(state, text) {
    if (!status.isConnected) form.after(status); // inside, busy may silence it
    status.dataset.state = state;
    status.textContent = text;
  }

  function groupOf(field) {
    if (!choice(field) || !field.name) return [field];
    return [...form.elements].filter((each) => each.name === field.name && each.type === field.type);
  }

  function fault(field) {
    if (!field.matches(":invalid:not(fieldset)")) return ""; // custom elements too
    if (field.validity?.typeMismatch && field.type === "email") return say("email");
    return (!field.validity?.valueMissing && field.validationMessage) || say("required");
  }

  function show(field, text) {
    const group = groupOf(field);
    if (errors.has(group[0])) return;
    const place = page.createElement("p");
    place.className = "error";
    place.id = `herald-${number}-${++count}`;
    place.textContent = text;
    const [last] = group.slice(-1);
    const fieldset = last.closest("fieldset");
    if (group[1] && fieldset?.elements.length === group.length) fieldset.append(place);
    else (last.closest("label") || (choice(last) && last.labels[0]) || last).after(place);
    for (const each of group) {
      set(each, "aria-invalid", "true");
      set(each, "aria-describedby", `${hints(each)} ${place.id}`.trim());
    }
    errors.set(group[0], { text, group, place });
  }

  function clear({ group, place }) {
    for (const each of group) {
      set(each, "aria-invalid");
      set(each, "aria-describedby", hints(each).replace(place.id, "").trim());
    }
    place.remove();
    errors.delete(group[0]);
    if (!errors.size) tell("", "");
  }

  const reset = () => errors.forEach(clear);

  const happened = (name, detail) =>
    form.dispatchEvent(new CustomEvent(`herald:${name}`, { bubbles: true, cancelable: true, detail }));

  function stop(text) {
    tell("failed", text);
    [...form.elements].find((each) => each.matches("[aria-invalid=true]:enabled"))?.focus();
  }

  function check(button) {
    reset();
    if (checks && !button?.formNoValidate) {
      for (const field of form.elements) if (fault(field)) show(field, fault(field));
    }
    if (errors.size) stop(say("faulty"));
    return !errors.size;
  }

  async function ask(url, options, limit = LIMIT) {
    const abort = new AbortController();
    setTimeout(() => abort.abort(), limit);
    const answer = await fetch(url, { ...options, signal: abort.signal });
    return [answer, (await answer.json().catch(() => {})) || {}];
  }

  // A proof of work (ALTCHA, version 2), in another thread.
  async function solve(work) {
    const [, challenge] = await ask(form.dataset.challenge, { cache: "no-store" });
    const p = challenge.parameters;
    const method = { name: "PBKDF2", hash: "SHA-256", salt: bytes(p.salt), iterations: p.cost };
    const password = bytes(`${p.nonce}00000000`);
    for (let counter = 0; p.algorithm === "PBKDF2/SHA-256" && Date.now() < work.until; counter++) {
      new DataView(password.buffer).setUint32(password.length - 4, counter);
      const key = await crypto.subtle.importKey("raw", password, "PBKDF2", false, ["deriveBits"]);
      const derivedKey = hex(await crypto.subtle.deriveBits(method, key, p.keyLength * 8));
      if (derivedKey.startsWith(p.keyPrefix)) {
        // Not at once out of date where the person's clock is fast.
        work.until = p.expiresAt ? Math.max(p.expiresAt * 1000 - LIMIT, work.until) : Infinity;
        return btoa(JSON.stringify({ challenge, solution: { counter, derivedKey } }));
      }
    }
  }

  // Not from loading: robots wait, then fill in at once.
  function touched() {
    started ||= performance.now();
    if (!form.dataset.challenge || Date.now() < ready?.until) return;
    const work = (ready = { until: Date.now() + LIMIT });
    work.payload = solve(work).catch(() => {}); // without one the server decides
  }

  function encoded(data, type) {
    const pairs = [...data].map(([name, value]) => [name, value.name ?? value]);
    if (/urlencoded/.test(type)) return new URLSearchParams(pairs);
    return /plain/.test(type) ? pairs.map((pair) => `${pair.join("=")}\r\n`).join("") : data;
  }

  async function post(button) {
    const data = new FormData(element);
    if (button?.name) data.append(button.name, button.value);
    const url = (button?.getAttribute("formaction") ?? form.getAttribute("action")) || location.href;
    const words = [...data].filter(([name]) => !/^altcha$|captcha|turnstile/.test(name)); // tokens change
    const content = JSON.stringify([url, ...words]);
    const size = words.reduce((sum, [, file]) => sum + (file.size || 0), 0);
    const attempt = (attempts[content] ||= {});
    if (!(Date.now() < attempt.work?.until)) {
      touched();
      attempt.work = ready;
      ready = null;
    }
    attempt.seconds ||= ((performance.now() - started) / 1000).toFixed(1);
    data.set("_fill_seconds", attempt.seconds);
    const payload = await attempt.work?.payload;
    if (payload) data.set("altcha", payload);
    if (payload && attempt.bare) attempt.key = 0; // once held, it stays so
    attempt.bare = !payload;
    attempt.key ||= hex(crypto.getRandomValues(new Uint8Array(16)));
    const headers = { Accept: "application/json", "Accept-Language": wanted, "Idempotency-Key": attempt.key };
    const body = encoded(data, button?.formEnctype);
    const [answer, said] = await ask(url, { method: "POST", headers, body }, LIMIT + size / 8).catch(() => []);
    if (answer?.status < 500) attempt.work = null; // looked at, it may count as used
    if (!(said?.id || said?.errors) && /^(localhost|127.0.0.1)$/.test(location.hostname)) {
      console.info(`${form.hasAttribute("action") ? "" : "No action. "}No Herald at ${url}; make run says where.`);
    }
    return [answer, said];
  }

  function sent({ id, next }) {
    tell("sent", say("success"));
    attempts = {};
    const keep = typed;
    if (!keep) form.reset();
    if (!happened("sent", { id, next }) || keep) return;
    if ("redirect" in form.dataset && /^https?:/.test(next)) return location.assign(next);
    form.remove();
    status.tabIndex = -1;
    status.focus();
  }

  function failed(status, message, errors = []) {
    stop(message);
    happened("failed", { status, message, errors });
  }

  function refused(answer, said) {
    if (answer.status === 429 || answer.status === 503) {
      const seconds = Number(answer.headers.get("Retry-After")) || 60; // a page may not read it
      const n = seconds.toLocaleString(language, { style: "unit", unit: "second", unitDisplay: "long" });
      return failed(answer.status, say("busy").replace("{n}", n));
    }
    const list = Array.isArray(said.errors) ? said.errors : [];
    const lines = new Set([said.title || say("failed")]);
    for (const { field, message } of list) {
      const place = field && [...form.elements].find((each) => each.name === field && each.type !== "hidden");
      if (place) show(place, message);
      else lines.add(field ? `${field}: ${message}` : message);
    }
    failed(answer.status, [...lines].join(" "), list);
  }

  function busy(is) {
    sending = is;
    typed = false;
    set(form, "aria-busy", is);
    // `disabled` would lose focus.
    for (const each of form.elements) if (each.type === "submit") set(each, "aria-disabled", is);
  }

  async function send(button) {
    let answer, said, accepted;
    try {
      busy(true);
      tell("sending", say("sending"));
      [answer, said] = await post(button);
      // Some hosts answer everything with 200.
      accepted = answer?.status === 202 || (answer?.ok && said.id);
      if (!answer) failed(0, say("offline"));
      else if (accepted) sent(said);
      else refused(answer, said);
    } catch (error) {
      console.error(error);
      if (!accepted) failed(answer?.status || 0, say("failed")); // what was accepted stays so
    } finally {
      busy(false);
    }
  }

  form.addEventListener("submit", (event) => {
    if (event.defaultPrevented) return;
    const button = event.submitter;
    const method = button?.formMethod || (form.method === "dialog" ? "dialog" : "post");
    const ours = method === "post" && !button?.formTarget; // else it is the browser's
    const good = !(ours && sending) && check(button);
    // Not earlier: what throws above leaves the form to the browser.
    if (ours || !good) event.preventDefault();
    if (ours && good) send(button);
  });
  // On the document, as a field may stand outside of its form.
  const on = (type, act) =>
    page.addEventListener(type, ({ target }) => [...form.elements].includes(target) && act(target));
  for (const type of ["turbo:before-cache", "htmx:beforeHistorySave"]) { // for Back
    page.addEventListener(type, () => {
      reset();
      if (form.isConnected) status.remove();
      if (checks) set(form, "novalidate");
    });
  }
  on("focusin", touched);
  on("input", (field) => {
    touched();
    typed = sending;
    const error = errors.get(groupOf(field)[0]);
    // Corrected, or wrong in another way: sending tells.
    if (error && error.text !== fault(field)) clear(error);
  });
  form.addEventListener("reset", reset);
  tell("", "");
  form.setAttribute("novalidate", "");
});
