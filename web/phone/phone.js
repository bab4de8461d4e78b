// Shows what arrived. Everything that came over the wire goes through textContent, never through markup.
"use strict";

const PRIORITIES = { "-2": "Lowest", "-1": "Quiet", 0: "Normal", 1: "High", 2: "Emergency" };
const SHOWN = 100; // as many as the server sends on connecting
const POLL_EVERY = 2000;

const list = document.getElementById("pushes");
const template = document.getElementById("push");
const shown = new Map(); // request id -> element
let appName = "Pushover";
let polling = 0;

function text(value) {
  return typeof value === "string" || typeof value === "number" ? String(value) : "";
}

function priorityOf(push) {
  const number = Number.parseInt(text(push.priority) || "0", 10);
  return number in PRIORITIES ? number : 0;
}

function dateOf(push) {
  const given = Number(text(push.timestamp)) || push.received_at;
  const date = new Date(given * 1000);
  return Number.isNaN(date.getTime()) ? new Date(push.received_at * 1000) : date;
}

function shortTime(date) {
  const time = date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  const today = date.toDateString() === new Date().toDateString();
  return today ? time : `${date.toLocaleDateString([], { day: "numeric", month: "short", year: "numeric" })}, ${time}`;
}

function element(push) {
  const item = template.content.firstElementChild.cloneNode(true);
  const priority = priorityOf(push);
  const date = dateOf(push);
  item.dataset.priority = String(priority);
  item.dataset.request = text(push.request);
  item.querySelector(".app").textContent = appName;
  item.querySelector(".priority").textContent = `${PRIORITIES[priority]} priority`;
  item.querySelector("time").textContent = shortTime(date);
  item.querySelector("time").dateTime = date.toISOString();
  item.querySelector("h2").textContent = text(push.title) || appName;
  item.querySelector(".body").textContent = text(push.message);
  // As Pushover's apps do: the title stands for the address.
  const link = item.querySelector(".link");
  link.textContent = text(push.url_title) || text(push.url);
  link.title = text(push.url);
  link.hidden = !link.textContent;
  return item;
}

function add(push, isNew) {
  const id = text(push.request);
  if (shown.has(id)) return;
  const item = element(push);
  item.classList.toggle("new", isNew);
  shown.set(id, item);
  list.prepend(item);
  while (shown.size > SHOWN) {
    const [oldest, oldItem] = shown.entries().next().value;
    oldItem.remove();
    shown.delete(oldest);
  }
}

function refresh() {
  const count = shown.size;
  document.getElementById("empty").hidden = count > 0;
  document.getElementById("clear").hidden = count === 0;
  document.title = count ? `(${count}) Phone` : "Phone";
}

// The whole truth, oldest first: what is missing is added, what is gone is removed.
function synchronize(pushes, isNew) {
  const present = new Set(pushes.map((push) => text(push.request)));
  for (const [id, item] of shown) {
    if (!present.has(id)) {
      item.remove();
      shown.delete(id);
    }
  }
  for (const push of pushes) add(push, isNew);
  refresh();
  // Only from now on: a screen reader is to read what arrives, not what was there.
  window.setTimeout(() => list.setAttribute("aria-live", "polite"), 0);
}

function connection(state, words) {
  const place = document.getElementById("connection");
  if (place.dataset.state === state) return;
  place.dataset.state = state;
  place.textContent = words;
}

let polledBefore = false;

async function poll() {
  try {
    const answer = await fetch("/phone/messages.json", { cache: "no-store" });
    if (!answer.ok) throw new Error(String(answer.status));
    synchronize((await answer.json()).slice(-SHOWN), polledBefore);
    polledBefore = true;
    connection("polling", "Looking every 2 seconds");
  } catch {
    connection("lost", "Not connected");
  }
}

function startPolling() {
  if (!polling) {
    polling = window.setInterval(poll, POLL_EVERY);
    poll();
  }
}

function stopPolling() {
  window.clearInterval(polling);
  polling = 0;
}

function listen() {
  if (!("EventSource" in window)) {
    startPolling();
    return;
  }
  const source = new EventSource("/phone/events");
  source.addEventListener("open", () => {
    stopPolling();
    connection("live", "Live");
  });
  source.addEventListener("app", (event) => {
    appName = JSON.parse(event.data).name;
  });
  source.addEventListener("snapshot", (event) => synchronize(JSON.parse(event.data), false));
  source.addEventListener("push", (event) => {
    for (const push of JSON.parse(event.data)) add(push, true);
    refresh();
  });
  source.addEventListener("error", () => {
    connection("lost", "Not connected");
    startPolling();
    // A browser gives up on an answer that is no event stream; it tries again by itself after anything else.
    if (source.readyState === EventSource.CLOSED) window.setTimeout(listen, 5000);
  });
}

function tick() {
  const now = new Date();
  document.getElementById("time").textContent = now.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  document.getElementById("date").textContent = now.toLocaleDateString([], { weekday: "long", day: "numeric", month: "long" });
}

document.getElementById("clear").addEventListener("click", async () => {
  await fetch("/phone/messages.json", { method: "DELETE" });
  if (polling) poll();
});

tick();
window.setInterval(tick, 1000);
listen();
