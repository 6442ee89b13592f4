// The pages' one script: the theme, and sections that follow the stream. Everything else works without it.
"use strict";
(() => {
  const root = document.documentElement;

  // Theme: changes to the one that is not shown now.
  document.getElementById("theme")?.addEventListener("click", (event) => {
    event.preventDefault();
    const dark = root.dataset.theme
      ? root.dataset.theme === "dark"
      : matchMedia("(prefers-color-scheme: dark)").matches;
    const next = dark ? "light" : "dark";
    root.dataset.theme = next;
    try {
      localStorage.setItem("theme", next);
    } catch {
      // Storage may be forbidden; the choice then lasts as long as the page.
    }
    const url = new URL(location.href);
    if (url.searchParams.has("theme")) {
      url.searchParams.set("theme", next);
      history.replaceState(null, "", url);
    }
  });

  root.classList.add("script");
  controls();
  tooltips();
  tables();

  /** Choices apply at once; empty fields are left out of the address. */
  function controls() {
    const form = document.querySelector("form.controls");
    if (!form) return;
    const { from, to, tz, field, op, value } = form.elements;
    form.addEventListener("submit", () => {
      if (value.value === "") field.disabled = op.disabled = true;
      for (const one of form.querySelectorAll("input, select")) if (one.value === "") one.disabled = true;
    });
    addEventListener("pageshow", () => {
      for (const one of form.querySelectorAll(":disabled")) one.disabled = false;
    });
    form.addEventListener("change", ({ target }) => {
      if (target === field || target === op) return value.value === "" ? value.focus() : form.requestSubmit();
      // While a year is being typed, the date is not valid yet.
      if (target.type === "date" && !(target.value >= "1970")) return;
      if (from.value > to.value) (target === from ? to : from).value = target.value;
      form.requestSubmit();
    });
    // The list of a filled field would offer only the field's own value.
    const chosen = tz.value;
    tz.addEventListener("focus", () => {
      tz.placeholder = tz.value;
      tz.value = "";
    });
    tz.addEventListener("blur", () => {
      if (tz.value === "") tz.value = chosen;
    });
    const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    const zones = document.getElementById("zones");
    if (zone) zones.prepend(Object.assign(document.createElement("option"), { value: zone }));
  }

  /** Rows in the order of a column, those that hold a text, and what is shown as a file. */
  function tables() {
    upgrade(document);
    document.addEventListener("click", (event) => {
      const button = event.target instanceof Element ? event.target.closest("[data-export]") : null;
      if (button) return save(document.getElementById(button.dataset.export));
      const head = event.target instanceof Element ? event.target.closest("table.sortable thead th") : null;
      if (head && !event.target.closest("a")) sort(head);
    });
    document.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      const head = event.target instanceof Element && event.target.matches("table.sortable thead th")
        ? event.target
        : null;
      if (!head) return;
      event.preventDefault();
      sort(head);
    });
    document.addEventListener("input", ({ target }) => {
      if (target instanceof HTMLInputElement && target.dataset.search) search(target);
    });
  }

  /** Shows what only a script can do. */
  function upgrade(part) {
    for (const one of part.querySelectorAll(".with-script")) one.hidden = false;
    for (const head of part.querySelectorAll("table.sortable thead th")) {
      // A head with a link orders the whole report, not these rows alone.
      if (!head.querySelector("a")) head.tabIndex = 0;
    }
  }

  function sort(head) {
    const table = head.closest("table");
    const at = [...head.parentNode.cells].indexOf(head);
    const down = head.getAttribute("aria-sort") !== "descending";
    for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const body = table.tBodies[0];
    const value = (row) => row.cells[at].dataset.v ?? row.cells[at].textContent.trim();
    const numeric = [...body.rows].every((row) => value(row) === "" || !Number.isNaN(Number(value(row))));
    const rank = (row) => value(row) === "" ? -Infinity : Number(value(row));
    const compare = numeric
      ? (a, b) => rank(a) - rank(b)
      : (a, b) => value(a).localeCompare(value(b), undefined, { numeric: true });
    const rest = [...body.rows].filter((row) => row.classList.contains("rest"));
    const rows = [...body.rows].filter((row) => !rest.includes(row)).sort((a, b) =>
      down ? -compare(a, b) : compare(a, b)
    );
    body.append(...rows, ...rest);
  }

  function search(field) {
    const wanted = field.value.trim().toLowerCase();
    for (const row of document.getElementById(field.dataset.search).tBodies[0].rows) {
      row.hidden = wanted !== "" && !row.textContent.toLowerCase().includes(wanted);
    }
  }

  /** The rows that are shown, in their order, as CSV; a text that a spreadsheet would calculate gets an apostrophe. */
  function save(table) {
    const rows = [...table.tHead.rows, ...[...table.tBodies[0].rows].filter((row) => !row.hidden)];
    const cell = (one) => {
      const text = one.dataset.v ?? one.textContent.replace(/\s+/g, " ").trim();
      const safe = one.dataset.v === undefined && /^[=+\-@]/.test(text) ? `'${text}` : text;
      return /[",]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
    };
    const text = rows.map((row) => [...row.cells].map(cell).join(",")).join("\r\n") + "\r\n";
    const url = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
    Object.assign(document.createElement("a"), { href: url, download: `tidemark_${table.id}.csv` }).click();
    setTimeout(() => URL.revokeObjectURL(url), 1000);
  }

  /** Shows the point of a chart under the pointer as the row of its table. Without a pointer, the table shows the same. */
  function tooltips() {
    /** Space beside the plot, in the picture's own pixels; see svg_timeseries.ts. */
    const LEFT = 64;
    const RIGHT = 12;
    const box = Object.assign(document.createElement("div"), { className: "tip", hidden: true, ariaHidden: "true" });
    const cross = Object.assign(document.createElement("div"), {
      className: "cross",
      hidden: true,
      ariaHidden: "true",
    });
    const hide = () => {
      box.hidden = cross.hidden = true;
    };
    document.addEventListener("pointermove", (event) => {
      const chart = event.target instanceof Element ? event.target.closest("[data-points]") : null;
      const svg = chart?.querySelector("svg");
      const table = chart && document.getElementById(chart.dataset.points)?.querySelector("table");
      if (!svg || !table) return hide();
      const rows = table.tBodies[0].rows;
      const frame = svg.getBoundingClientRect();
      const scale = frame.width / svg.viewBox.baseVal.width;
      const plot = { left: LEFT * scale, width: frame.width - (LEFT + RIGHT) * scale };
      const at = Math.floor(rows.length * (event.clientX - frame.left - plot.left) / plot.width);
      const row = rows[at];
      if (!row) return hide();
      const names = [...table.tHead.rows[0].cells].map((cell) => cell.textContent);
      const cells = [...row.cells].map((cell) => cell.textContent);
      box.textContent = [cells[0], ...cells.slice(1).map((text, i) => `${names[i + 1]}  ${text}`)].join("\n");
      if (cross.parentNode !== chart) chart.append(cross, box);
      const x = plot.left + plot.width * (at + 0.5) / rows.length;
      box.hidden = cross.hidden = false;
      cross.style.left = `${x}px`;
      const right = x > frame.width / 2;
      box.style.left = right ? "" : `${x + 12}px`;
      box.style.right = right ? `${frame.width - x + 12}px` : "";
    }, { passive: true });
    document.addEventListener("pointerleave", hide);
  }

  const source = document.body.dataset.fragments;
  if (!source) return;

  /** Milliseconds between two readings, by pace. */
  const EVERY = { fast: 2000, calm: 20000 };
  /** While the stream catches up, everything changes. */
  const EVERY_CATCHING_UP = 3000;
  /** Readings take at most this part of the database's time, because the database also has to follow the stream. */
  const SHARE = 1 / 12;
  const WAIT_MAX = { fast: 8000, calm: 60000 };
  const POLL = 10000;
  const BACKOFF_MAX = 60000;

  const asked = { fast: Date.now(), calm: Date.now() };
  /** What has changed since it was read. */
  const stale = { fast: false, calm: false };
  let timer = 0;
  let busy = false;
  /** Closed data has changed, so that the calm sections need not wait for their time. */
  let soon = false;
  let revision = null;
  let failures = 0;
  let events = null;
  /** What the last reading of each pace cost the server. */
  const took = { fast: 0, calm: 0 };

  const slots = (pace) => [...document.querySelectorAll(`[data-live="${pace}"]`)];
  const catchingUp = () => document.querySelector(".state.catching_up, .state.waiting") !== null;
  const every = (pace) => {
    const least = pace === "fast" || soon ? EVERY.fast : catchingUp() ? EVERY_CATCHING_UP : EVERY.calm;
    return Math.max(least, Math.min(WAIT_MAX[pace], took[pace] / SHARE));
  };
  const due = (pace) => stale[pace] ? asked[pace] + every(pace) : Infinity;

  /** Notes that something changed. */
  function changed(everything) {
    stale.fast = stale.calm = true;
    if (everything && !catchingUp()) soon = true;
    plan();
  }

  /** One timer for the next reading, and none while nothing has changed: an idle page does nothing. */
  function plan() {
    if (document.hidden || busy || failures > 0) return;
    clearTimeout(timer);
    const next = Math.min(due("fast"), due("calm"), events === null ? asked.fast + POLL : Infinity);
    timer = next === Infinity ? 0 : setTimeout(read, Math.max(0, next - Date.now()));
  }

  async function read() {
    if (busy || document.hidden) return;
    busy = true;
    const now = Date.now();
    const paces = ["fast", ...(failures > 0 || due("calm") <= now ? ["calm"] : [])];
    for (const pace of paces) stale[pace] = false;
    const have = paces.flatMap(slots).map((slot) => `${slot.id}.${slot.dataset.version ?? ""}`).join(",");
    try {
      const url = new URL(source, location.href);
      url.searchParams.set("have", have);
      const response = await fetch(url, { headers: { accept: "application/json" } });
      if (!response.ok) throw new Error(String(response.status));
      const answer = await response.json();
      for (const fragment of answer.fragments) put(fragment);
      took[paces.at(-1)] = answer.took_ms;
      for (const pace of paces) asked[pace] = now;
      if (paces.includes("calm")) soon = false;
      failures = answer.again ? failures + 1 : 0;
    } catch {
      failures++;
      if (failures > 1) disconnected();
    }
    busy = false;
    if (failures === 0) return plan();
    timer = setTimeout(read, Math.min(BACKOFF_MAX, 1000 * 2 ** failures) * (0.75 + Math.random() / 2));
  }

  /** Without an answer, the last state may no longer be true. */
  function disconnected() {
    const state = document.querySelector("#state .state");
    if (!state) return;
    state.className = "state trouble";
    state.title = "The server does not answer; this page keeps trying.";
    state.lastElementChild.textContent = "No connection";
    document.getElementById("state").dataset.version = "";
  }

  /** Replaces one section, keeping what the reader opened, scrolled to and focused. */
  function put({ id, version, html }) {
    const slot = document.getElementById(id);
    if (!slot) return;
    const open = [...slot.querySelectorAll("details[open][id]")].map((details) => details.id);
    const scrolls = [...slot.querySelectorAll(".scroll, .chart")].map((box) => [box.scrollLeft, box.scrollTop]);
    const focusable = "a, button, input, summary, [tabindex]";
    const focus = slot.contains(document.activeElement)
      ? [...slot.querySelectorAll(focusable)].indexOf(document.activeElement)
      : -1;
    const sorted = [...slot.querySelectorAll("th[aria-sort]")].map((head) => {
      const id = head.closest("table").id;
      return { id, at: [...head.parentNode.cells].indexOf(head), order: head.getAttribute("aria-sort") };
    });
    const searched = [...slot.querySelectorAll("input[data-search]")].map(({ id, value }) => ({ id, value }));
    slot.innerHTML = html;
    slot.dataset.version = version;
    slot.hidden = html === "";
    for (const name of open) document.getElementById(name)?.setAttribute("open", "");
    slot.querySelectorAll(".scroll, .chart").forEach((box, i) => {
      if (scrolls[i]) box.scrollTo(...scrolls[i]);
    });
    upgrade(slot);
    for (const { id, at, order } of sorted) {
      const head = document.getElementById(id)?.tHead.rows[0].cells[at];
      if (!head) continue;
      sort(head);
      if (order === "ascending") sort(head);
    }
    for (const { id, value } of searched) {
      const field = document.getElementById(id);
      if (!field || value === "") continue;
      field.value = value;
      search(field);
    }
    if (focus >= 0) slot.querySelectorAll(focusable)[focus]?.focus({ preventScroll: true });
  }

  /** A hidden page does not listen; the browser sends the last id when it connects again by itself. */
  function listen() {
    if (events !== null || document.hidden) return;
    events = new EventSource("/v1/events");
    events.addEventListener("progress", (event) => {
      const next = JSON.parse(event.data).data_revision ?? null;
      const closed = revision !== null && next !== revision;
      const back = revision === undefined;
      revision = next;
      changed(closed || back);
    });
    events.addEventListener("unavailable", () => {
      revision = undefined;
      changed(false);
    });
    events.addEventListener("error", () => {
      // The browser connects again unless the server refused: then ask now and then, and try to listen later.
      if (events?.readyState !== EventSource.CLOSED) return;
      events = null;
      plan();
      setTimeout(listen, BACKOFF_MAX);
    });
  }

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
      events?.close();
      events = null;
      clearTimeout(timer);
      timer = 0;
    } else {
      listen();
      changed(true);
    }
  });
  listen();
})();
